"""An open platform for learning, running and trusting a taxi-duration model."""

import os

# OpenMP's threads spin while they wait, unless told not to before they first start. On a machine that does something
# else too, scikit-learn's training takes three times as long for it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
