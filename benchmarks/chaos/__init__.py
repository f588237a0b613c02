"""A worker under faults: what is between broker, cameras, disk, clock and worker breaks on purpose.

    python -m benchmarks.chaos                     every fault once, 500 motion messages, 6 cameras
    python -m benchmarks.chaos --long              10,000 messages, 50 cameras, every fault 5 times
    python -m benchmarks.chaos --only sigkill_worker --seed 7

Everything is real and on loopback: mosquitto, the worker in its own process, cameras over HTTP, and
a proxy between worker and broker. `faults` holds the table of what breaks, `world` what it breaks,
`outcome` what must hold afterwards.
"""
