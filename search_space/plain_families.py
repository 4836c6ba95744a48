"""The families whose networks stand alone, as one union: what can be an anchor of a stitch."""

from search_space.cnn import MobileNetV3Settings
from search_space.deepmad import DeepMADSettings
from search_space.resnet import ResNetSettings
from search_space.vit import VisionTransformerSettings

PlainFamily = MobileNetV3Settings | ResNetSettings | VisionTransformerSettings | DeepMADSettings
"""Families that are made of no others. A new one is one file and one more name here."""
