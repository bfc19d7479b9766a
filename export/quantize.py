"""fp32 graph -> int8 or fp16 graph.

int8 is dynamic and row-wise: each position's features get a scale of their own, so that an answer
does not depend on what else is in the batch. Weights have a scale for each output channel (both
symmetric), embeddings one for each row. The integer products are exact, whatever the batch.
"""

from collections.abc import Iterator

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

import export.runtime  # noqa: F401  # before onnxruntime is

LARGEST = 127
FP16_LARGEST = 65_504.0
ZERO_POINT = 128  # uint8 that stands for 0, for every row: the kernel wants one scalar
TINY = 1e-9  # least magnitude of a row, so that one of zeros can be divided
RUNTIME_OPS = "com.microsoft"


def to_fp16(graph: ModelProto) -> ModelProto:
    """Weights and arithmetic in half precision; inputs and outputs as they were.

    Softmax and layer norm read and write half precision too; on a GPU they compute in fp32. What
    marks keys that may not be looked at becomes the least number there is, as it is in fp32.
    """
    # Here, as `export.runtime` must be imported first.
    from onnxruntime.transformers.float16 import convert_float_to_float16  # noqa: PLC0415

    copy = ModelProto.FromString(graph.SerializeToString())
    del copy.graph.value_info[:]
    converted: ModelProto = convert_float_to_float16(
        copy, keep_io_types=True, max_finite_val=FP16_LARGEST
    )
    return converted


def to_int8(graph: ModelProto) -> ModelProto:
    """Products with a constant matrix in int8, embeddings stored in int8, all else in fp32."""
    return _Int8(graph).convert()


def rows_to_int8(matrix: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """(rows, features) -> int8 of the same shape and a scale for each row (rows, 1)."""
    scale = np.maximum(np.abs(matrix).max(axis=1, keepdims=True), TINY) / LARGEST
    return np.rint(matrix / scale).astype(np.int8), scale.astype(np.float32)


class _Int8:
    def __init__(self, graph: ModelProto):
        self.model: ModelProto = ModelProto.FromString(graph.SerializeToString())
        self.constants = {tensor.name: tensor for tensor in self.model.graph.initializer}
        self.quantized: set[str] = set()

    def convert(self) -> ModelProto:
        graph = self.model.graph
        self._constant("int8.tiny", np.array(TINY, np.float32))
        self._constant("int8.last_axis", np.array([-1], np.int64))
        self._constant("int8.step", np.array(1 / LARGEST, np.float32))
        self._constant("int8.zero_point", np.array(ZERO_POINT, np.uint8))
        nodes = [new for old in graph.node for new in self._node(old)]
        used = {name for node in nodes for name in node.input}
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.node.extend(nodes)
        graph.initializer.extend(t for name, t in self.constants.items() if name in used)
        self.model.opset_import.append(helper.make_opsetid(RUNTIME_OPS, 1))
        return self.model

    def _node(self, node: NodeProto) -> Iterator[NodeProto]:
        if node.op_type == "Gather" and self._is_matrix(node.input[0]):
            yield from self._embedding(node)
        elif node.op_type == "MatMul" and self._is_matrix(node.input[1]):
            yield from self._product(node.input[0], self._value(node.input[1]), node.output[0])
        elif node.op_type == "Gemm" and self._is_matrix(node.input[1]):
            weight, total = self._value(node.input[1]), node.output[0]
            if bias := node.input[2:]:  # the exporter drops one of zeros
                total = f"{total}.product"
            transposed = any(a.name == "transB" and a.i for a in node.attribute)
            yield from self._product(node.input[0], weight.T if transposed else weight, total)
            if bias:
                yield helper.make_node("Add", [total, *bias], node.output)
        else:
            yield node

    def _product(self, rows: str, weight: NDArray[np.float32], product: str) -> Iterator[NodeProto]:
        """rows (.., features) times weight (features, outputs)."""
        yield from self._quantize_rows(rows)
        columns, scale = rows_to_int8(weight.T)
        self._constant(f"{product}.weight", np.ascontiguousarray(columns.T))
        self._constant(f"{product}.scale", scale[:, 0])
        inputs = [f"{rows}.int8", f"{product}.weight", "int8.step", f"{product}.scale"]
        yield helper.make_node(
            "MatMulIntegerToFloat",
            [*inputs, "int8.zero_point"],
            [f"{product}.unscaled"],
            domain=RUNTIME_OPS,
        )
        yield helper.make_node("Mul", [f"{product}.unscaled", f"{rows}.size"], [product])

    def _quantize_rows(self, rows: str) -> Iterator[NodeProto]:
        """rows.size: the largest magnitude of each row; rows.int8: the rows over it."""
        if rows in self.quantized:
            return
        self.quantized.add(rows)
        magnitude, largest, size = f"{rows}.magnitude", f"{rows}.largest", f"{rows}.size"
        yield helper.make_node("Abs", [rows], [magnitude])
        yield helper.make_node("ReduceMax", [magnitude, "int8.last_axis"], [largest], keepdims=1)
        yield helper.make_node("Max", [largest, "int8.tiny"], [size])
        yield helper.make_node("Div", [rows, size], [f"{rows}.unit"])
        yield helper.make_node(
            "QuantizeLinear",
            [f"{rows}.unit", "int8.step", "int8.zero_point"],
            [f"{rows}.int8"],
        )

    def _embedding(self, node: NodeProto) -> Iterator[NodeProto]:
        table, ids = node.input
        found = node.output[0]
        values, scale = rows_to_int8(self._value(table))
        self._constant(f"{table}.int8", values)
        self._constant(f"{table}.scale", scale)
        yield helper.make_node("Gather", [f"{table}.int8", ids], [f"{found}.int8"])
        yield helper.make_node("Gather", [f"{table}.scale", ids], [f"{found}.scale"])
        yield helper.make_node("Cast", [f"{found}.int8"], [f"{found}.float"], to=TensorProto.FLOAT)
        yield helper.make_node("Mul", [f"{found}.float", f"{found}.scale"], [found])

    def _constant(self, name: str, value: NDArray[np.generic]) -> None:
        self.constants[name] = numpy_helper.from_array(value, name)

    def _is_matrix(self, name: str) -> bool:
        tensor = self.constants.get(name)
        return (
            tensor is not None
            and tensor.data_type == onnx.TensorProto.FLOAT
            and len(tensor.dims) == 2
        )

    def _value(self, name: str) -> NDArray[np.float32]:
        return np.asarray(numpy_helper.to_array(self.constants[name]), np.float32)
