"""The modules, criterions and initialisers."""

from nodegraph.nn.activation import Sigmoid, Tanh
from nodegraph.nn.arithmetic import CAddTable, CMulTable
from nodegraph.nn.container import Container, Sequential
from nodegraph.nn.linear import Linear
from nodegraph.nn.module import Call, Module
from nodegraph.nn.pointwise import Abs, Exp, Pointwise
from nodegraph.nn.softmax import LogSoftMax
from nodegraph.nn.tables import JoinTable, JustTable, Part, SplitTable, StackTable
from nodegraph.nn.view import Identity, Narrow, Reshape, Select, View, ViewModule
