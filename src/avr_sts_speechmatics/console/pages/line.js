// One call to the service, as avr-core makes it: a WebSocket with JSON and base64 of 8 kHz samples.
//
// listener: { audio(Int16Array), interruption(), transcript(role, text), turn(times), tool(tool),
// error(text), opened(), closed(text, lost) }.

export class Line {
  // facts: what the service is told about the call, by name; `agent` chooses the agent.
  constructor(facts, listener) {
    const query = new URLSearchParams({ ...facts, watch: "1" });
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.listener = listener;
    this.uuid = crypto.randomUUID ? crypto.randomUUID() : `page-${Date.now()}-${Math.random()}`;
    this.ended = false;
    this.socket = new WebSocket(`${scheme}://${location.host}/?${query}`);
    this.socket.onopen = () => {
      this.send({ type: "init", uuid: this.uuid });
      listener.opened();
    };
    this.socket.onmessage = ({ data }) => this.take(JSON.parse(data));
    this.socket.onclose = ({ code, reason }) => this.closed(code, reason);
  }

  get open() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  // frame: Int16Array of 20 ms.
  hear(frame) {
    if (!this.open) return;
    const bytes = new Uint8Array(frame.buffer, frame.byteOffset, frame.byteLength);
    this.send({ type: "audio", audio: btoa(String.fromCharCode(...bytes)) });
  }

  press(digit) {
    this.send({ type: "dtmf_digit", digit });
  }

  write(text) {
    this.send({ type: "text", text });
  }

  hangUp() {
    this.ended = true;
    this.socket.close(1000);
  }

  send(message) {
    if (this.open) this.socket.send(JSON.stringify(message));
  }

  take(message) {
    const { listener } = this;
    if (message.type === "audio") {
      const bytes = Uint8Array.from(atob(message.audio), (letter) => letter.charCodeAt(0));
      listener.audio(new Int16Array(bytes.buffer, 0, bytes.length >> 1));
    } else if (message.type === "interruption") listener.interruption();
    else if (message.type === "transcript") listener.transcript(message.role, message.text);
    else if (message.type === "turn") listener.turn(message);
    else if (message.type === "tool") listener.tool(message);
    else if (message.type === "error") listener.error(message.message);
  }

  closed(code, reason) {
    // 1000 and 1005 are a hangup, by either side.
    const lost = !this.ended && code !== 1000 && code !== 1005;
    if (this.ended) this.listener.closed("You hung up.", false);
    else if (!lost) this.listener.closed("The agent hung up.", false);
    else this.listener.closed(reason ? `The service ended the call: ${reason}.` : "The connection was lost.", true);
  }
}
