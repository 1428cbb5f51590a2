"""Several processes on the same ports: the supervisor, its workers, and what they share.

The supervisor opens each port once and starts WORKERS processes, which accept from the same
listening sockets. A worker that dies is replaced; SIGHUP replaces all of them, one by one, while
running calls finish in the old ones. Counts of calls are in shared memory (`board`), everything
else goes over one socket between the supervisor and each worker (`channel`).
"""
