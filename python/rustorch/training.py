# SPDX-License-Identifier: MIT
"""Training loops in objects."""
from ._later import refuse as _refuse

Trainer = _refuse("training", "Trainer", "Trains a model.")
TrainerConfig = _refuse("training", "TrainerConfig", "A trainer's settings.")
Model = _refuse("training", "Model", "A Keras-style model.")
