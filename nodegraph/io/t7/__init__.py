"""Torch7's .t7 files: `load` and `save` models, `read` any value, `register` further classes."""

from nodegraph.io.t7.exporting import Exporter
from nodegraph.io.t7.files import load, read, save
from nodegraph.io.t7.importing import Fields
from nodegraph.io.t7.translation import register
from nodegraph.io.t7.values import Function, Key, Record, Storage

__all__ = ["Exporter", "Fields", "Function", "Key", "load", "read", "Record", "register", "save", "Storage"]
