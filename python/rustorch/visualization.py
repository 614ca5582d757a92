# SPDX-License-Identifier: MIT
"""Pictures in Python."""
from ._later import refuse as _refuse

plot_training_history = _refuse("visualization", "plot_training_history", "Curves of losses.")
visualize_tensor = _refuse("visualization", "visualize_tensor", "A picture of a tensor.")
plot_model_graph = _refuse("visualization", "plot_model_graph", "The layers as a graph.")
Plotter = _refuse("visualization", "Plotter", "Draws histories and tensors.")
