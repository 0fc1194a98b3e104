# SPDX-License-Identifier: LGPL-2.1-or-later
"""Other engines that run a network in ONNX's format on the processor, for comparison.

An engine's class has a `name`, the `precisions` that it is measured in, and `version()`. An object of it is a network
that is loaded: `output(x)` is its first output, `run()` does nothing else than computing the last input again. What an
engine cannot run raises an exception of its own kind. A network's `source` is what its file was exported from: a model
file, the name of one of torchvision's networks, or None.
"""

import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np

CALIBRATION = 32  # random inputs: they decide what int8 is worth, not what it takes


def shape_of(path):
    """Shape of the first input."""
    import onnx

    return [d.dim_value or 1 for d in onnx.load(path).graph.input[0].type.tensor_type.shape.dim]


def with_training():
    """Environment of a Python that finds models/training."""
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "models", "training")
    return {**os.environ, "PYTHONPATH": folder}


def made_since(path, source):
    """Whether a file is there and no older than the one that it is made from, if any."""
    return os.path.exists(path) and (source is None or os.path.getmtime(path) >= os.path.getmtime(source))


def random_input(path):
    return np.random.default_rng(1).uniform(-2, 2, shape_of(path)).astype(np.float32)


class OnnxRuntime:
    """All optimisations, denormals as zero, the fastest form of the graph (forms.py)."""

    name, precisions = "ONNX Runtime", ("float32",)
    ROUNDS, TOLERANCE = 3, 1e-4  # of the choice; forms compute the same sums in another order

    @staticmethod
    def version():
        import onnxruntime

        return onnxruntime.__version__

    def __init__(self, path, _source, _precision, threads, clock):
        import onnx

        import forms

        self.clock = clock
        self.x = random_input(path)
        self.sessions = {name: self.load(graph, threads) for name, graph in forms.forms(onnx.load(path)).items()}
        self.choose()

    @staticmethod
    def load(graph, threads):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def choose(self):
        times, expected = {}, None
        for name, self.session in self.sessions.items():
            found = self.output(self.x)
            expected = found if expected is None else expected
            if not close(found, expected, self.TOLERANCE):
                raise ValueError(f"{name}: another output than as exported")
            times[name] = min(self.time() for _ in range(self.ROUNDS))
        self.form = min(times, key=times.get)
        self.session = self.sessions[self.form]

    def time(self):
        start = self.clock()
        for _ in range(3):
            self.run()
        return self.clock() - start

    def output(self, x):
        self.input = {self.session.get_inputs()[0].name: x}
        return self.session.run(None, self.input)[0]

    def run(self):
        self.session.run(None, self.input)


class OpenVino:
    """int8: post-training quantisation by NNCF."""

    name, precisions = "OpenVINO", ("float32", "bfloat16", "int8")

    @staticmethod
    def version():
        import openvino

        return openvino.__version__.split("-")[0]

    def __init__(self, path, _source, precision, threads, _clock):
        hint = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}[precision]
        settings = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
        if precision != "int8":
            self.request = self.compile(path, settings)
            return
        try:
            self.request = self.compile(self.quantised(path, True), settings)
        except RuntimeError:  # of networks whose depthwise convolutions have another number of channels afterwards
            self.request = self.compile(self.quantised(path, False), settings)

    @staticmethod
    def compile(path, settings):
        import openvino

        core = openvino.Core()
        return core.compile_model(core.read_model(path), "CPU", settings).create_infer_request()

    @staticmethod
    def quantised(path, by_channel):
        """By default, activations have a scale for each channel in places. Takes a minute: the file is kept."""
        import openvino

        target = os.path.splitext(path)[0] + (".int8.xml" if by_channel else ".int8-by-tensor.xml")
        if made_since(target, path):
            return target
        sys.modules.setdefault("torch", None)  # imported where it is installed, not needed, and often too old
        import nncf
        from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, QuantizationParameters

        random, shape = np.random.default_rng(1), shape_of(path)
        inputs = [random.uniform(-2, 2, shape).astype(np.float32) for _ in range(CALIBRATION)]
        activations = (
            {} if by_channel else {"activations_quantization_params": QuantizationParameters(per_channel=False)}
        )
        nncf.set_log_level(40)  # errors only
        model = nncf.quantize(
            openvino.Core().read_model(path),
            nncf.Dataset(inputs),
            subset_size=CALIBRATION,
            advanced_parameters=AdvancedQuantizationParameters(**activations),
        )
        openvino.save_model(model, target, compress_to_fp16=False)
        return target

    def output(self, x):
        return self.request.infer({0: x}, share_inputs=True)[self.request.model_outputs[0]]

    def run(self):
        self.request.infer(share_inputs=True, share_outputs=True)


class Ncnn:
    """Converted by pnnx."""

    name, precisions = "ncnn", ("float32", "bfloat16")

    @staticmethod
    def version():
        import ncnn

        return ncnn.__version__

    def __init__(self, path, _source, precision, threads, _clock):
        import ncnn

        self.net = ncnn.Net()
        options = self.net.opt
        options.num_threads, options.use_bf16_storage = threads, precision == "bfloat16"
        options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = False
        with tempfile.TemporaryDirectory() as folder:
            stem = self.convert(path, folder)
            if self.net.load_param(stem + ".param") or self.net.load_model(stem + ".bin"):
                raise ValueError("what pnnx made of it cannot be loaded")
        self.matrix, self.names = ncnn.Mat, (self.net.input_names()[0], min(self.net.output_names()))  # out0

    @staticmethod
    def convert(path, folder):
        program = shutil.which("pnnx", path=os.path.dirname(sys.executable)) or "pnnx"
        source = shutil.copy(path, os.path.join(folder, "net.onnx"))
        subprocess.run([program, source, "fp16=0"], cwd=folder, check=True, capture_output=True)
        return os.path.join(folder, "net.ncnn")

    def output(self, x):
        self.x = self.matrix(np.ascontiguousarray(x[0]))
        return np.array(self.run())[None]

    def run(self):
        extractor = self.net.create_extractor()
        extractor.input(self.names[0], self.x)
        return extractor.extract(self.names[1])[1]


class LiteRt:
    """Converted from PyTorch, which takes minutes: the file is kept beside the one in ONNX's format."""

    name, precisions = "LiteRT", ("float32",)
    CONVERT = """
import sys, torch, litert_torch
source, path, *shape = sys.argv[1:]
if source.endswith(".safetensors"):
    import dicenet
    net = dicenet.load(source)
else:
    import torchvision
    torch.manual_seed(1)
    net = getattr(torchvision.models, source)()
litert_torch.convert(net.eval(), (torch.zeros(*map(int, shape)),)).export(path)
"""

    @staticmethod
    def version():
        import ai_edge_litert

        return ai_edge_litert.__version__

    def __init__(self, path, source, _precision, threads, _clock):
        from ai_edge_litert.interpreter import Interpreter

        converted = os.path.splitext(path)[0] + ".tflite"
        if not made_since(converted, path):
            self.convert(converted, source, shape_of(path))
        self.interpreter = Interpreter(converted, num_threads=threads)
        self.interpreter.allocate_tensors()
        self.first = self.interpreter.get_input_details()[0]["index"]
        self.last = self.interpreter.get_output_details()[0]["index"]
        self.run = self.interpreter.invoke

    def convert(self, path, source, shape):
        if source is None:
            raise ValueError("it reads no ONNX")
        command = [sys.executable, "-c", self.CONVERT, source, path + ".part", *map(str, shape)]
        done = subprocess.run(command, env=with_training(), capture_output=True, text=True)
        if done.returncode:
            raise ValueError((done.stderr.strip().splitlines() or ["it failed"])[-1])
        os.replace(path + ".part", path)

    def output(self, x):
        self.interpreter.set_tensor(self.first, x)
        self.run()
        return self.interpreter.get_tensor(self.last)


ENGINES = {engine.__name__.lower(): engine for engine in (OnnxRuntime, OpenVino, Ncnn, LiteRt)}


def close(found, expected, tolerance):
    """Whether two outputs differ by no more than this part of the largest value."""
    if found.size != expected.size:
        return False
    error = np.abs(found.ravel() - expected.ravel()).max() / np.abs(expected).max()
    return bool(error <= tolerance)  # not for NaN
