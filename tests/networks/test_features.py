from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from pipeline.errors import PipelineError
from pipeline.networks import load_features

CHANNELS = [3, 4, 5, 6, 7]


def weights(seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    pairs = zip(CHANNELS, CHANNELS[1:], strict=False)
    return [(rng.normal(size=(o, i, 3, 3)).astype("f4"), rng.normal(size=o).astype("f4")) for i, o in pairs]


def write_onnx(path: Path, taps: list[str], channels_last: bool = True, **conv_options) -> Path:
    """conv, ReLU, conv, ReLU, pool, conv, ReLU, conv, ReLU, then what no feature needs; outputs are `taps`."""
    nodes, held, name = [], [], "input"
    if channels_last:
        nodes.append(helper.make_node("Transpose", ["input"], ["start"], perm=[0, 3, 1, 2]))
        name = "start"
    options = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], **conv_options}
    for number, pair in enumerate(weights(), start=1):
        if number == 3:
            nodes.append(helper.make_node("MaxPool", [name], ["pool"], kernel_shape=[2, 2], strides=[2, 2]))
            name = "pool"
        held += [numpy_helper.from_array(array, f"{kind}{number}") for kind, array in zip("wb", pair, strict=True)]
        nodes.append(helper.make_node("Conv", [name, f"w{number}", f"b{number}"], [f"c{number}"], **options))
        nodes.append(helper.make_node("Relu", [f"c{number}"], [f"r{number}"]))
        name = f"r{number}"
    nodes.append(helper.make_node("Flatten", [name], ["flat"]))
    shape = ["n", "h", "w", 3] if channels_last else ["n", 3, "h", "w"]
    info = helper.make_tensor_value_info
    outputs = [info(tap, TensorProto.FLOAT, None) for tap in taps]
    graph = helper.make_graph(nodes, "tiny", [info("input", TensorProto.FLOAT, shape)], outputs, held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


@pytest.mark.parametrize("channels_last", [True, False])
def test_an_onnx_file_gives_the_maps_of_the_reference_evaluator(channels_last: bool, tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "vgg.onnx", ["r2", "r4"], channels_last)
    image = torch.rand(2, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    grey = image.expand(-1, 3, -1, -1).numpy()
    given = np.moveaxis(grey, 1, -1) if channels_last else grey
    expected = ReferenceEvaluator(str(path)).run(None, {"input": np.ascontiguousarray(given)})
    found = load_features(str(path), (2, 4))(image)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-4, atol=1e-4)


def vgg16_state() -> dict[str, torch.Tensor]:
    """The first four convolutions, at torchvision's numbers."""
    state = {}
    for number, (weight, bias) in zip((0, 2, 5, 7), weights(), strict=True):
        state |= {f"features.{number}.weight": torch.tensor(weight), f"features.{number}.bias": torch.tensor(bias)}
    return {**state, "classifier.0.weight": torch.zeros(2, 2)}


def reference(image: torch.Tensor) -> torch.Tensor:
    """relu2_2 with ImageNet's normalisation, written out."""
    conv, pool = torch.nn.functional.conv2d, torch.nn.functional.max_pool2d
    x = image.expand(-1, 3, -1, -1) - torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    x = x / torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    for number, (weight, bias) in enumerate(weights()):
        x = pool(x, 2) if number == 2 else x
        x = conv(x, torch.tensor(weight), torch.tensor(bias), padding=1).relu()
    return x


def test_a_state_dict_of_torchvision_has_its_pools_and_normalisation(tmp_path: Path) -> None:
    torch.save(vgg16_state(), tmp_path / "vgg16.pth")
    image = torch.rand(2, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    (found,) = load_features(str(tmp_path / "vgg16.pth"), [4])(image)
    torch.testing.assert_close(found, reference(image), rtol=1e-4, atol=1e-4)


def test_torchvision_is_used_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    models = types.ModuleType("torchvision.models")
    held = types.SimpleNamespace(get_state_dict=lambda progress: vgg16_state())
    models.VGG16_Weights = types.SimpleNamespace(IMAGENET1K_V1=held)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchvision", types.ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    image = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(load_features("torchvision", [4])(image)[0], reference(image), rtol=1e-4, atol=1e-3)


def test_features_are_fixed_and_gradients_pass_through_them(tmp_path: Path) -> None:
    features = load_features(str(write_onnx(tmp_path / "vgg.onnx", ["r2"])), [2])
    image = torch.rand(1, 1, 8, 8, requires_grad=True)
    features(image)[0].sum().backward()
    assert image.grad is not None and image.grad.abs().sum() > 0
    assert not features.training and not any(p.requires_grad for p in features.parameters())


@pytest.mark.parametrize("source", [None, "", "torchvision", "nowhere.onnx"])
def test_without_weights_the_choices_are_named(source: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(PipelineError, match=r"torchvision.*\.onnx.*\.pth.*perceptual_weight: 0"):
        load_features(source)


@pytest.mark.parametrize(
    "options", [{"pads": [0, 0, 0, 0]}, {"strides": [2, 2]}, {"dilations": [2, 2], "pads": [2] * 4}]
)
def test_other_layers_than_a_vggs_are_refused(options: dict, tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "other.onnx", ["r2"], **options)
    with pytest.raises(PipelineError, match="other.onnx': 'c1' is no plain max-pool 2×2, or convolution 3×3"):
        load_features(str(path), [2])


def test_weights_in_another_file_are_not_followed(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "vgg.onnx", ["r2"])
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="elsewhere.bin", size_threshold=0)
    with pytest.raises(PipelineError, match="whose weights lie in the file"):
        load_features(str(path), [2])


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    for name in ("a.onnx", "a.pth"):
        (tmp_path / name).write_bytes(b"no weights")
        with pytest.raises(PipelineError, match=f"feature network '.*{name}' is no (ONNX file|state dict)"):
            load_features(str(tmp_path / name))
    torch.save({"layer.weight": torch.zeros(1)}, tmp_path / "b.pth")
    with pytest.raises(PipelineError, match="has no key features.0.weight of a VGG16"):
        load_features(str(tmp_path / "b.pth"))
    path = write_onnx(tmp_path / "vgg.onnx", ["r2"])
    with pytest.raises(PipelineError, match=r"perceptual layers must be convolutions 1 to 4, got \[5\]"):
        load_features(str(path), [5])
    with pytest.raises(PipelineError, match=r"perceptual layers must be convolutions 1 to 4, got \[\]"):
        load_features(str(path), [])


def test_two_convolutions_side_by_side_are_no_chain(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "vgg.onnx", ["r2"])
    model = onnx.load(path)
    third = next(node for node in model.graph.node if node.output[0] == "c3")
    third.input[0] = "r2"  # past the pool
    onnx.save(model, tmp_path / "past.onnx")
    with pytest.raises(
        PipelineError, match="past.onnx' is no chain: 'c3' does not take 'pool', the output of the layer"
    ):
        load_features(str(tmp_path / "past.onnx"), [4])
    node, info = helper.make_node, helper.make_tensor_value_info
    held = [
        numpy_helper.from_array(array, f"{kind}{n}")
        for n in (1, 2)
        for array, kind in zip(weights()[0], "wb", strict=True)
    ]
    nodes = []
    for n in (1, 2):
        nodes.append(node("Conv", ["x", f"w{n}", f"b{n}"], [f"c{n}"], kernel_shape=[3, 3], pads=[1] * 4))
        nodes.append(node("Relu", [f"c{n}"], [f"r{n}"]))
    ends = [info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])], [info("r2", TensorProto.FLOAT, None)]
    onnx.save(helper.make_model(helper.make_graph(nodes, "twins", *ends, held)), tmp_path / "twins.onnx")
    with pytest.raises(PipelineError, match="twins.onnx' is no chain: 'c2' does not take 'r1'"):
        load_features(str(tmp_path / "twins.onnx"), [1])


def test_a_graph_that_starts_elsewhere_than_at_the_image_is_no_chain(tmp_path: Path) -> None:
    model = onnx.load(write_onnx(tmp_path / "vgg.onnx", ["r2"], channels_last=False))
    model.graph.node[0].input[0] = "w2"
    onnx.save(model, tmp_path / "constant.onnx")
    with pytest.raises(PipelineError, match="constant.onnx' is no chain: 'c1' does not take 'input'"):
        load_features(str(tmp_path / "constant.onnx"), [2])


def state_at(numbers: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """Convolutions of a network of the kind of VGG16, at other numbers."""
    named = zip(numbers, weights(), strict=True)
    return {
        f"features.{n}.{kind}": torch.tensor(a)
        for n, pair in named
        for kind, a in zip(("weight", "bias"), pair, strict=True)
    }


@pytest.mark.parametrize(
    "state, message",
    [
        (state_at((0, 3, 6, 8)), r"is no VGG16: it has the layers features.\[0, 3, 6, 8\] where VGG16 has .*5, 7,"),
        ({**state_at((0, 3, 7, 10)), **{f"features.{n}.weight": torch.ones(4) for n in (1, 4, 8, 11)}},
         r"is no VGG16: it has the layers features.\[0, 1, 3, 4, 7, 8, 10, 11\]"),
        ({**vgg16_state(), "features.2.weight": torch.ones(5)}, r"features.2 has a weight \[5\] and a bias \[5\]"),
        ({**vgg16_state(), "features.2.weight": torch.ones(5, 4, 1, 1)}, r"features.2 has a weight \[5, 4, 1, 1\]"),
        ({**vgg16_state(), "features.0.weight": torch.ones(4, 1, 3, 3)}, r"features.0 .* has \[K, 3, 3, 3\] and \[K\]"),
        ({k: v for k, v in vgg16_state().items() if k != "features.5.bias"}, r"features.5 has .* and a bias \[\]"),
    ],
    ids=["VGG11", "batch norm", "vector", "1x1", "grey", "no bias"],
)  # fmt: skip
def test_state_dicts_of_other_networks_are_refused(state: dict, message: str, tmp_path: Path) -> None:
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(PipelineError, match=f"other.pth'.*{message}"):
        load_features(str(tmp_path / "other.pth"))
