# SPDX-License-Identifier: LGPL-2.1-or-later
"""Variants of an ONNX graph, to find the one that is fastest in ONNX Runtime.

Its kernel for PReLU is slow and breaks the blocked layout between convolutions. Therefore all variants but the first
replace PReLU by element-wise operators, which keep the layout. (Two convolutions instead of one, with relu and sum
fused into them, were 14 to 27 % slower; less graph optimisation, up to 12 %.)
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper


def rewrite(model, write):
    """`model` (an onnx.ModelProto) with each PRelu replaced by `write`, one of the functions below."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    slopes = {constant.name: constant for constant in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.op_type != "PRelu":
            nodes.append(node)
            continue
        added, constants = write(node.input[0], numpy_helper.to_array(slopes[node.input[1]]), node.output[0])
        nodes.extend(added)
        graph.initializer.extend(constants)
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(result)
    return result


def clip(x, slope, out):
    """max(x, 0) + a * min(x, 0)"""
    constants = [constant(out + ".slope", slope), constant(out + ".zero", 0.0)]
    return [
        helper.make_node("Relu", [x], [out + ".positive"]),
        helper.make_node("Clip", [x, "", out + ".zero"], [out + ".negative"]),
        helper.make_node("Mul", [out + ".negative", out + ".slope"], [out + ".scaled"]),
        helper.make_node("Add", [out + ".positive", out + ".scaled"], [out]),
    ], constants


def relu(x, slope, out):
    """a * x + (1 - a) * max(x, 0)"""
    constants = [constant(out + ".slope", slope), constant(out + ".rest", 1.0 - slope)]
    return [
        helper.make_node("Relu", [x], [out + ".positive"]),
        helper.make_node("Mul", [out + ".positive", out + ".rest"], [out + ".scaled_positive"]),
        helper.make_node("Mul", [x, out + ".slope"], [out + ".scaled"]),
        helper.make_node("Add", [out + ".scaled", out + ".scaled_positive"], [out]),
    ], constants


def constant(name, value):
    return numpy_helper.from_array(np.asarray(value, np.float32), name)


def forms(model):
    """The variants by name: the original graph and, if it has PReLU, the rewritten ones."""
    found = {"as exported": model}
    if any(node.op_type == "PRelu" for node in model.graph.node):
        found.update({"PReLU by clip": rewrite(model, clip), "PReLU by relu": rewrite(model, relu)})
    return found
