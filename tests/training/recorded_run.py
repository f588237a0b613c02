"""A run that writes down which events its process trains on; `torchrun` starts it.

    torchrun ... recorded_run.py CONFIG PHASE FOLDER SHARD_EVENTS

Each process appends `epoch camera/event_id` to `FOLDER/<rank>.txt` for every item that it reads.
"""

import functools
import os
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[2] / "training")]

    import torch

    from veroallarme_training import indexed_events
    from veroallarme_training.config import load_config
    from veroallarme_training.datasets.motion_dataset import ContrastiveMotionDataset
    from veroallarme_training.training_run import train

    config, phase, folder, shard_events = sys.argv[1:]
    path = Path(folder, f"{os.environ['RANK']}.txt")
    epochs: dict[int, int] = {}
    read_item, set_epoch = ContrastiveMotionDataset.__getitem__, ContrastiveMotionDataset.set_epoch

    def recorded_epoch(self, epoch):
        epochs[id(self)] = epoch
        set_epoch(self, epoch)

    def recorded_item(self, index):
        # Nobody tells the dataset of validation an epoch.
        if id(self) in epochs:
            with path.open("a") as file:
                print(epochs[id(self)], self.found.events[index].event.name, file=file)
        return read_item(self, index)

    ContrastiveMotionDataset.set_epoch = recorded_epoch
    ContrastiveMotionDataset.__getitem__ = recorded_item
    indexed_events.renew_index = functools.partial(
        indexed_events.renew_index, shard_events=int(shard_events)
    )
    torch.set_num_threads(1)
    train(load_config(config), phase)
