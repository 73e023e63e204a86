"""The voice as an ONNX graph with piper's inputs and outputs: no weights but the bank of pitch periods, no chance.

Phoneme ids -> phones -> diphones -> rows of the bank, repeated or left out by the length scale, then overlap-added
with a pitch that falls over the sentence.
"""

from typing import Any

import numpy as np
import onnx
from diphones import PAUSE, Pair, Unit
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

HOP = 256  # samples per unit of the alignments, as piper's config states them
_FIRST_HOP, _HOP_GROWTH = 0.94, 0.14  # in pitch periods: the pitch falls from 1/0.94 to 1/1.08
_OPSET, _IR_VERSION = 17, 8
_CLASSES = {"pbtdkɡɾʔ": "stop", "fvθðszʃʒhx": "fricative", "mnŋ": "nasal", "lɹwj": "glide"}


def _phone_class(phone: str) -> str:
    if phone == PAUSE:
        return "pause"
    return next((name for letters, name in _CLASSES.items() if phone[0] in letters), "vowel")


def pair_table(phones: list[str], units: dict[Pair, Unit]) -> NDArray[np.int64]:
    """The number of the unit for every two phones; pairs never heard get the nearest relative that was."""
    order = sorted(units)
    number = {pair: i for i, pair in enumerate(order)}
    table = np.zeros((len(phones), len(phones)), np.int64)
    for i, one in enumerate(phones):
        for j, two in enumerate(phones):
            pair = (one, two)
            table[i, j] = number[
                pair if pair in number else max(order, key=lambda other: _likeness(other, pair))
            ]
    return table


def _likeness(other: Pair, wanted: Pair) -> int:
    same = sum(
        4 * (a == b) + 2 * (_phone_class(a) == _phone_class(b)) for a, b in zip(other, wanted, strict=True)
    )
    return same + (other[0][0] == wanted[0][0]) + (other[1][-1] == wanted[1][-1])


def mu_law(samples: NDArray[np.float32]) -> NDArray[np.uint8]:
    """ITU-T G.711's curve, 8 bits."""
    curved = np.sign(samples) * np.log1p(255 * np.abs(np.clip(samples, -1, 1))) / np.log(256)
    return np.clip(np.round((curved + 1) * 127.5), 0, 255).astype(np.uint8)


def _mu_law_table() -> NDArray[np.float32]:
    curved = np.arange(256) / 127.5 - 1
    return (np.sign(curved) * (256 ** np.abs(curved) - 1) / 255).astype(np.float32)


class _Graph:
    """Collects nodes and constants. Nodes have no names: they would be a tenth of a per cent of the file."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def const(self, name: str, value: Any, dtype: type | None = None) -> None:
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))

    def op(self, kind: str, inputs: str, output: str, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(kind, inputs.split(), [output], **attributes))


def build(
    phones: list[str], units: dict[Pair, Unit], bank: NDArray[np.uint8], phone_of_id: NDArray[np.int64]
) -> onnx.ModelProto:
    """`bank` [rows, period] in mu-law; `phone_of_id` [256]: the phone of a phoneme id, -1 for none."""
    graph = _Graph()
    _add_constants(graph, phones, units, bank, phone_of_id)
    _add_diphones(graph)
    _add_rows(graph)
    _add_overlap(graph)
    _add_alignments(graph)
    inputs = [
        helper.make_tensor_value_info("input", TensorProto.INT64, ["batch_size", "phonemes"]),
        helper.make_tensor_value_info("input_lengths", TensorProto.INT64, ["batch_size"]),
        helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]),
    ]
    outputs = [
        helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch_size", 1, "time"]),
        helper.make_tensor_value_info("phoneme_id_samples", TensorProto.FLOAT, ["batch_size", "phonemes"]),
    ]
    parts = helper.make_graph(graph.nodes, "espeak_diphone_voice", inputs, outputs, graph.constants)
    opsets = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(parts, opset_imports=opsets, producer_name="make_voice.py")
    model.ir_version = _IR_VERSION
    onnx.checker.check_model(model)
    return model


def _add_constants(
    graph: _Graph,
    phones: list[str],
    units: dict[Pair, Unit],
    bank: NDArray[np.uint8],
    phone_of_id: NDArray[np.int64],
) -> None:
    order, period = sorted(units), bank.shape[1]
    for name, value in {"i_m1": [-1], "i_0": [0], "i_1": [1], "big": [1 << 40], "s_0": 0, "s_1": 1}.items():
        graph.const(name, value, np.int64)
    scalars = {
        "f_half": 0.5,
        "f_1": 1.0,
        "f_p": period,
        "f_lo": _FIRST_HOP,
        "f_span": _HOP_GROWTH,
        "f_hop": HOP,
        "f_z1": [0],
        "f_P1": [period],
    }
    for name, value in scalars.items():
        graph.const(name, value, np.float32)
    graph.const("ax01", [0, 1], np.int64)
    graph.const("n_phones", [len(phones)], np.int64)
    graph.const("phone_of_id", phone_of_id, np.int64)
    graph.const("pair_unit", pair_table(phones, units).reshape(-1))
    graph.const("u_row", [units[pair].first_row for pair in order], np.int64)
    graph.const("u_len", [units[pair].periods for pair in order], np.float32)
    graph.const("u_frac", [units[pair].share for pair in order], np.float32)
    graph.const("bank", bank)
    graph.const("ulaw", _mu_law_table())
    places = (np.arange(2 * period) + 0.5) / (2 * period)
    graph.const("window", 0.5 - 0.5 * np.cos(2 * np.pi * places), np.float32)
    graph.const("taps", np.arange(2 * period)[None], np.int64)


def _add_diphones(graph: _Graph) -> None:
    """Ids that are no phone, such as pads and marks of stress, are dropped; what is left is taken in pairs."""
    op = graph.op
    op("Reshape", "input i_m1", "ids_all")
    op("Slice", "ids_all i_0 input_lengths i_0", "ids")
    op("Gather", "phone_of_id ids", "ph")
    op("GreaterOrEqual", "ph s_0", "keep")
    op("Compress", "ph keep", "p")
    op("Slice", "p i_0 i_m1 i_0", "pa")
    op("Slice", "p i_1 big i_0", "pb")
    op("Mul", "pa n_phones", "pa_n")
    op("Add", "pa_n pb", "code")
    op("Gather", "pair_unit code", "u")
    op("Gather", "u_row u", "row0")
    op("Gather", "u_len u", "klen")
    op("Gather", "u_frac u", "frac")


def _add_rows(graph: _Graph) -> None:
    """How many periods each diphone lasts, and which two rows sound in each period `t`."""
    op = graph.op
    op("Gather", "scales s_1", "ls")
    op("Mul", "klen ls", "kls")
    op("Round", "kls", "kr")
    op("Max", "kr f_1", "nf")
    op("Cast", "nf", "ni", to=TensorProto.INT64)
    op("CumSum", "ni s_0", "cum")
    op("Sub", "cum ni", "start")
    op("ReduceMax", "cum", "total", keepdims=0)
    op("Range", "s_0 total s_1", "t")
    op("Unsqueeze", "t i_1", "t2")
    op("Unsqueeze", "cum i_0", "cum2")
    op("GreaterOrEqual", "t2 cum2", "ge")
    op("Cast", "ge", "gei", to=TensorProto.INT64)
    op("ReduceSum", "gei i_1", "uidx", keepdims=0)
    op("Gather", "start uidx", "st")
    op("Sub", "t st", "loc")
    op("Cast", "loc", "locf", to=TensorProto.FLOAT)
    op("Add", "locf f_half", "loch")
    op("Gather", "klen uidx", "kt")
    op("Gather", "nf uidx", "nt")
    op("Mul", "loch kt", "lk")
    op("Div", "lk nt", "fr")
    op("Floor", "fr", "ff")
    op("Cast", "ff", "fi", to=TensorProto.INT64)
    op("Gather", "row0 uidx", "r0")
    op("Add", "r0 fi", "row")
    op("Add", "row s_1", "row1")
    op("Gather", "bank row", "ba")
    op("Gather", "bank row1", "bb")
    op("Concat", "ba bb", "bab", axis=1)
    op("Cast", "bab", "bi", to=TensorProto.INT32)
    op("Gather", "ulaw bi", "wav")
    op("Mul", "wav window", "grains")


def _add_overlap(graph: _Graph) -> None:
    op = graph.op
    op("Cast", "t", "tf", to=TensorProto.FLOAT)
    op("Cast", "total", "totf", to=TensorProto.FLOAT)
    op("Div", "tf totf", "rel")
    op("Mul", "rel f_span", "rels")
    op("Add", "rels f_lo", "hopr")
    op("Mul", "hopr f_p", "hopf")
    op("Cast", "hopf", "hop", to=TensorProto.INT64)
    op("CumSum", "hop s_0", "pos_end")
    op("Sub", "pos_end hop", "pos")
    op("Unsqueeze", "pos i_1", "pos2")
    op("Add", "pos2 taps", "idx2")
    op("Reshape", "idx2 i_m1", "idx")
    op("Reshape", "grains i_m1", "vals")
    op("ReduceMax", "idx", "last", keepdims=1)
    op("Add", "last i_1", "nsamp")
    zero = helper.make_tensor("z", TensorProto.FLOAT, [1], [0.0])
    op("ConstantOfShape", "nsamp", "zeros", value=zero)
    op("ScatterElements", "zeros idx vals", "flat", axis=0, reduction="add")
    op("Unsqueeze", "flat ax01", "output")


def _add_alignments(graph: _Graph) -> None:
    """Samples per phoneme id in units of HOP: half of the diphone before and half of the one after."""
    op = graph.op
    op("Sub", "cum s_1", "cl")
    op("Gather", "pos_end cl", "ue")
    op("Gather", "pos start", "us")
    op("Sub", "ue us", "ud")
    op("Cast", "ud", "udf", to=TensorProto.FLOAT)
    op("Mul", "udf frac", "left")
    op("Sub", "udf left", "right")
    op("Concat", "left f_P1", "l2", axis=0)
    op("Concat", "f_z1 right", "r2", axis=0)
    op("Add", "l2 r2", "pd")
    op("Div", "pd f_hop", "pdh")
    op("NonZero", "keep", "kz")
    op("Reshape", "kz i_m1", "kpos")
    op("Shape", "ids", "nid")
    zero = helper.make_tensor("z2", TensorProto.FLOAT, [1], [0.0])
    op("ConstantOfShape", "nid", "zid", value=zero)
    op("ScatterElements", "zid kpos pdh", "align1", axis=0)
    op("Unsqueeze", "align1 i_0", "phoneme_id_samples")
