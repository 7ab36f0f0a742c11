"""Photo-like scenes of a few objects, drawn on the spot: the data of the demo and of tests.

What an object is shows in its shape alone: colours, sizes, places, surfaces and light are drawn
from the same distributions for every class. Labels, boxes and masks come with each picture.
"""

from training.data.synthetic.scene import Scene, SceneObject, generate_scene
from training.data.synthetic.shapes import LABELS
from training.data.synthetic.tiny_scene import TinyScene, generate_tiny_scene
from training.data.synthetic.write import (
    WrittenDataset,
    write_classification_dataset,
    write_multilabel_dataset,
)
from training.data.synthetic.write_scenes import write_detection_dataset

__all__ = [
    "LABELS",
    "Scene",
    "SceneObject",
    "TinyScene",
    "WrittenDataset",
    "generate_scene",
    "generate_tiny_scene",
    "write_classification_dataset",
    "write_detection_dataset",
    "write_multilabel_dataset",
]
