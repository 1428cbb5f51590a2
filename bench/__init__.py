"""The benchmark: the latency and the CPU time of the service itself.

Synthetic STT, LLM and TTS services implement the vendors' wire protocols with fixed delays;
synthetic callers hold conversations with the service in real time. Services and callers run in
this process, on their own core, with one clock, so the latency that the service adds is measured to
a fraction of a millisecond. Every frame carries a signature, so the benchmark also checks that each
call gets all of its own audio and none of another call.

    python -m bench --calls 100 --seconds 20
"""
