"""The asyncio worker: motion messages in, bursts of snapshots, verdicts out."""
