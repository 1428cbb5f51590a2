// Serves tools written for AVR's own connectors over MCP (stdin and stdout, JSON lines).
//
//     node avr_tools.cjs DIRECTORY
//
// A tool is a CommonJS file with `name`, `description`, `input_schema` and `handler(uuid, args)`.
// Each file lives in a worker thread of its own, so that a tool that throws, never returns, writes
// to stdout or calls process.exit disturbs no other tool. State of a module lasts as long as its
// worker. The uuid of the call comes as `_meta.uuid` of the request.
'use strict';

const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');

const PROTOCOL = '2025-06-18';
const LOAD_MS = 10_000; // longest time to load a file
const PING_MS = 1_000; // a worker that does not answer within this time is stuck
const OURS = new Set(['avr_transfer', 'avr_hangup']); // the service has its own

// --- the thread of one file ----------------------------------------------------------------------

function work(file) {
  let tool;
  try {
    tool = require(file);
    if (tool && tool.default && !tool.handler) tool = tool.default;
    if (!tool || typeof tool.name !== 'string' || typeof tool.handler !== 'function') {
      throw new Error('it exports no object with a text `name` and a function `handler`');
    }
    const { name, description, input_schema: schema } = tool;
    parentPort.postMessage({ loaded: JSON.parse(JSON.stringify({ name, description, schema })) });
  } catch (error) {
    parentPort.postMessage({ failed: textOf(error) });
    return;
  }
  parentPort.on('message', async ({ id, uuid, args, ping }) => {
    if (ping) return parentPort.postMessage({ pong: true });
    try {
      parentPort.postMessage({ id, text: asText(await tool.handler(uuid, args)) });
    } catch (error) {
      parentPort.postMessage({ id, error: textOf(error) });
    }
  });
}

function asText(result) {
  if (result === undefined || result === null) return '';
  return typeof result === 'string' ? result : JSON.stringify(result);
}

function textOf(error) {
  return String((error && error.message) || error);
}

// --- the main thread -----------------------------------------------------------------------------

class Tool {
  constructor(file) {
    this.file = file;
    this.worker = null;
    this.pending = new Map(); // number of a call to the function that answers it
    this.calls = 0;
    this.pongs = [];
  }

  // Resolves when the file is loaded; rejects with what is wrong with it.
  start() {
    return new Promise((resolve, reject) => {
      const worker = new Worker(__filename, {
        workerData: { file: this.file }, stdout: true, stderr: true,
      });
      this.worker = worker;
      // stdout is the protocol: what a tool prints goes to stderr.
      worker.stdout.on('data', (data) => process.stderr.write(data));
      worker.stderr.on('data', (data) => process.stderr.write(data));
      const late = setTimeout(() => {
        reject(new Error(`it was not loaded within ${LOAD_MS / 1000} s`));
        worker.terminate();
      }, LOAD_MS);
      worker.on('message', (message) => {
        if (message.loaded || message.failed) clearTimeout(late);
        if (message.loaded) resolve(Object.assign(this, message.loaded));
        else if (message.failed) reject(new Error(message.failed));
        else if (message.pong) this.pongs.splice(0).forEach((pong) => pong());
        else this.answer(message.id, message);
      });
      const ended = (why) => {
        clearTimeout(late);
        reject(new Error(why));
        if (this.worker !== worker) return;
        this.worker = null;
        for (const id of [...this.pending.keys()]) this.answer(id, { error: why });
      };
      worker.on('error', (error) => ended(textOf(error)));
      worker.on('exit', () => ended('the tool ended its process'));
    });
  }

  answer(id, message) {
    const done = this.pending.get(id);
    this.pending.delete(id);
    if (done) done(message);
  }

  async call(uuid, args) {
    if (!this.worker) await this.start();
    const id = ++this.calls;
    return { id, answered: new Promise((resolve) => {
      this.pending.set(id, resolve);
      this.worker.postMessage({ id, uuid, args });
    }) };
  }

  // A call was given up. A stuck worker is ended; one that still waits for something goes on.
  async givenUp() {
    const { worker } = this;
    if (!worker) return;
    const alive = await new Promise((resolve) => {
      this.pongs.push(() => resolve(true));
      worker.postMessage({ ping: true });
      setTimeout(resolve, PING_MS, false);
    });
    if (!alive) worker.terminate();
  }
}

async function serve(directory) {
  const tools = new Map();
  const running = new Map(); // id of a request to its tool
  const loading = load(directory, tools);
  const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  const lines = readline.createInterface({ input: process.stdin });
  lines.on('close', () => process.exit(0));
  lines.on('line', async (line) => {
    let request;
    try {
      request = JSON.parse(line);
    } catch {
      return;
    }
    const { id, method, params = {} } = request;
    if (method === 'notifications/cancelled') {
      const tool = running.get(params.requestId);
      if (tool) tool.givenUp();
      return;
    }
    if (id === undefined) return;
    if (method === 'initialize') {
      send({ id, result: {
        protocolVersion: params.protocolVersion || PROTOCOL,
        capabilities: { tools: {} },
        serverInfo: { name: 'avr-tools', version: '1' },
      } });
    } else if (method === 'ping') {
      send({ id, result: {} });
    } else if (method === 'tools/list') {
      await loading;
      send({ id, result: { tools: [...tools.values()].map(({ name, description, schema }) => ({
        name, description: description || name, inputSchema: asSchema(schema),
      })) } });
    } else if (method === 'tools/call') {
      await loading;
      const tool = tools.get(params.name);
      if (!tool) return send({ id, error: { code: -32602, message: `no tool ${params.name}` } });
      running.set(id, tool);
      let outcome;
      try {
        const { answered } = await tool.call((params._meta || {}).uuid || '', params.arguments || {});
        outcome = await answered;
      } catch (error) {
        outcome = { error: textOf(error) };
      }
      running.delete(id);
      send({ id, result: {
        content: [{ type: 'text', text: outcome.error === undefined ? outcome.text : outcome.error }],
        isError: outcome.error !== undefined,
      } });
    } else {
      send({ id, error: { code: -32601, message: `no method ${method}` } });
    }
  });
}

function asSchema(schema) {
  return schema && typeof schema === 'object' ? { type: 'object', ...schema } : { type: 'object', properties: {} };
}

async function load(directory, tools) {
  const files = fs.readdirSync(directory).filter((file) => /\.c?js$/.test(file)).sort();
  const loaded = await Promise.allSettled(
    files.map((file) => new Tool(path.resolve(directory, file)).start()),
  );
  loaded.forEach((one, at) => {
    const file = files[at];
    if (one.status === 'rejected') {
      process.stderr.write(`avr-tools: ${file} is not offered: ${one.reason.message}\n`);
    } else if (OURS.has(one.value.name)) {
      one.value.worker.terminate();
    } else if (tools.has(one.value.name)) {
      process.stderr.write(`avr-tools: ${file} is not offered: ${one.value.name} is there already\n`);
    } else {
      tools.set(one.value.name, one.value);
    }
  });
}

if (isMainThread) serve(process.argv[2]);
else work(workerData.file);
