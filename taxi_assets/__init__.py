"""An open MLOps platform for a taxi-duration model."""

import os

# Must be set before OpenMP starts: its waiting threads spin by default, which makes scikit-learn's training take three
# times as long on a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
