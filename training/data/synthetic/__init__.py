"""Photo-like scenes of a few objects, drawn on the spot: the data of the demo and of tests.

What an object is shows in its shape alone: colours, sizes, places, surfaces and light are drawn
from the same distributions for every class. Labels, boxes and masks come with each picture.
"""

from training.data.synthetic.scene import Scene, SceneObject, generate_scene
from training.data.synthetic.shapes import LABELS
from training.data.synthetic.write import (
    WrittenDataset,
    write_classification_dataset,
    write_multilabel_dataset,
)

__all__ = [
    "LABELS",
    "Scene",
    "SceneObject",
    "WrittenDataset",
    "generate_scene",
    "write_classification_dataset",
    "write_multilabel_dataset",
]
