"""Start script of the training, as `veroallarme-train` once the package is installed.

python training/train_relevance_model.py --phase all --data-dir events/gate
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    # A checkout runs without being installed.
    sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]
    from veroallarme_training.cli import main

    sys.exit(main())
