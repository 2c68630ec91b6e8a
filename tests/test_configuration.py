"""What is refused when a configuration is put together: one line with the rule, the value and the choices."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pipeline.catalogue import available
from pipeline.components import check_components
from pipeline.errors import PipelineError
from pipeline.workflow import MethodWorkflow


@pytest.fixture
def mine(tmp_path: Path):
    """Writes a YAML file of the user's own and returns its path."""

    def write(text: str, name: str = "mine.yaml") -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


def refused(dataset: Path, message: str, **arguments) -> None:
    """The workflow is refused with these words, in one line and at once."""
    start = time.monotonic()
    with pytest.raises(PipelineError, match=message) as refusal:
        MethodWorkflow(**{"method": "vae", "dataset_dir": str(dataset), **arguments})
    assert "\n" not in str(refusal.value)
    assert time.monotonic() - start < 10


OF_THE_METHOD = "belong to the method; write a method file of your own"


@pytest.mark.parametrize(
    "text, message",
    [
        ("learning_rate: 1.0e-3", "mine.yaml must say `preset: NAME`"),
        ("preset: mine\nnetwork_def: {_target_: torch.nn.Identity}", f"sets 'network_def': .*{OF_THE_METHOD}"),
        ("preset: mine\nnetwork_def::dropout: 0.5", f"sets 'network_def::dropout': .*{OF_THE_METHOD}"),
        ("preset: mine\nloss::beta: 3", f"sets 'loss::beta': .*{OF_THE_METHOD}"),
        ("preset: mine\nconstraint: null", f"sets 'constraint': .*{OF_THE_METHOD}"),
        ("preset: mine\ninferer: {_target_: pipeline.inferers.Intensity}", f"sets 'inferer': .*{OF_THE_METHOD}"),
        (
            "preset: mine\ntrain::trainer::prepare_batch::corruption: {_target_: pipeline.transforms.MaskedSquares}",
            f"sets 'train::trainer::prepare_batch::corruption': .*{OF_THE_METHOD}",
        ),
        ("preset: mine\noptimizer: {_target_: torch.optim.SGD}", f"sets 'optimizer': .*{OF_THE_METHOD}"),
        ("preset: mine\noptimizer::_target_: torch.optim.SGD", f"sets 'optimizer::_target_': .*{OF_THE_METHOD}"),
        ("preset: mine\ntrain: {trainer: {network: $None}}", f"sets 'train': .*{OF_THE_METHOD}"),
        ("preset: mine\nsplit_evaluator::inferer: $None", f"sets 'split_evaluator::inferer': .*{OF_THE_METHOD}"),
        ("preset: mine\nmethod: ae\ntitle: AE", f"sets 'method': .*{OF_THE_METHOD}"),
        ("preset: mine\nrun_train: []", f"sets 'run_train': .*{OF_THE_METHOD}"),
        ("preset: mine\nrecipe::presets: tuned", f"sets 'recipe::presets': .*{OF_THE_METHOD}"),
        ("preset: paper\nbeta: 3.0", "calls itself 'paper', the name of a run without presets"),
        ("preset: mine\nwarmup: 3", "unknown key 'warmup' in .*mine.yaml; did you mean"),
        ("preset: mine\nlearning_rate: 1e-3", "learning_rate in .* must be a number, got '1e-3'; .* write 1.0e-3"),
        ("- preset", "must be a mapping of keys to values, got list"),
        ("a: [", "mine.yaml' is not YAML"),
    ],
)
def test_a_preset_touches_nothing_that_makes_another_method(text: str, message: str, tiny_dataset: Path, mine) -> None:
    refused(tiny_dataset, message, presets=mine(text))


def test_a_preset_of_ones_own_may_set_what_is_not_the_methods(tiny_dataset: Path, mine) -> None:
    text = "preset: slow\noptimizer::lr: 1.0e-6\npostprocessing: []\nslack: 0.1\n"  # slack: a noun of other methods
    made = MethodWorkflow(method="vae", presets=mine(text), dataset_dir=str(tiny_dataset))
    assert made.parser["preset"] == "slow" and made.parser["optimizer::lr"] == 1e-6


@pytest.mark.parametrize(
    "presets, message",
    [
        ("attention", "'attention' is a part, which only a method file lists; presets: bercea2022, .*tuned"),
        ("cevae_score", "unknown preset 'cevae_score'; it is the method 'cevae' now"),
        ("brats", "unknown preset 'brats'; available: bercea2022, brats2019, .*or a path"),
        ("none.yaml", "unknown preset 'none.yaml'; available: "),
    ],
)
def test_parts_and_old_names_are_refused_with_what_there_is(presets: str, message: str, tiny_dataset: Path) -> None:
    refused(tiny_dataset, message, presets=presets)
    refused(tiny_dataset, message, mixins=presets)


@pytest.mark.parametrize(
    "text, message",
    [
        ("mixins: [attention]", "unknown key 'mixins' in .*; the parts of a method are listed as `parts`"),
        ("parts: [bercea2022]", "unknown part 'bercea2022'; network and loss are the part 'spatial_latent' now"),
        ("method: ae", "calls itself 'ae', which is an installed method; give it another name"),
        ("method: ''", "must say `method: NAME`"),
        ("parts: [attentions]", "unknown part 'attentions'; available: adversarial, attention"),
        ("parts: [gaussian_mixture]", "the part gaussian_mixture|gaussian_mixture needs"),
        ("depth: 3", "unknown key 'depth' in .*mine.yaml"),
        (
            "train::handlers::1::folder: x",
            "'train::handlers::1::folder' .*addresses a place in a list; override a noun: .*train::log",
        ),
        ("evaluate::handlers::0: x", "addresses a place in a list; override a noun: .*evaluate::results"),
        ("train::logs: x", "unknown key 'train::logs' in .*; did you mean: log"),
    ],
)
def test_what_a_method_file_may_not_say(text: str, message: str, tiny_dataset: Path, mine) -> None:
    name = "" if text.startswith("method:") else "method: mine\n"
    refused(tiny_dataset, message, method=mine(f"{name}{text}\n"))


def test_a_method_file_adds_nouns_that_it_refers_to_and_classes_that_lie_beside_it(tiny_dataset: Path, mine) -> None:
    network = "from pipeline.networks import ResNetAutoencoder\nclass Mine(ResNetAutoencoder):\n    pass\n"
    mine(network, "network_for_a_test.py")
    method = mine("""
method: mine
my_width: 3
my_network: {_target_: network_for_a_test.Mine, image_size: "@image_size", latent_size: "@my_width"}
network_def: "@my_network"
train::before::mine: {_target_: pipeline.handlers.ConstraintSchedule, objective: "@loss"}
""")
    parser = MethodWorkflow(method=method, dataset_dir=str(tiny_dataset)).parser
    assert type(parser.get_parsed_content("network_def")).__name__ == "Mine"
    assert len(parser.get_parsed_content("train::handlers")) == 3 and parser["title"] == "@method"


@pytest.mark.parametrize(
    "override, message",
    [
        ({"max_epochs": "ten"}, "max_epochs in the command line must be a whole number, got 'ten'"),
        ({"max_epochs": 2.5}, "max_epochs in the command line must be a whole number, got 2.5"),
        ({"max_epochs": 0}, "max_epochs in the command line must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size in the command line must be at least 1, got 0"),
        ({"learning_rate": "fast"}, "learning_rate in the command line must be a number, got 'fast'"),
        ({"sample_latent": 1}, "sample_latent in the command line must be true or false, got 1"),
        ({"precision": 16}, "precision in the command line must be a text, got 16"),
        ({"percentiles": 95}, "percentiles in the command line must be a list, got 95"),
        ({"device": "cuda:99"}, "there is no device 'cuda:99' here; available: cpu"),
        ({"device": "gpu"}, "unknown device 'gpu'; available: cpu"),
        ({"loss": "mse"}, "loss in the command line must be a component .*, got 'mse'"),
        ({"network_def": {}}, "network_def in the command line must be a component .*, got {}"),
        ({"thresholds_path": "x"}, "unknown key 'thresholds_path' in the command line; thresholds lie in"),
        (
            {"train::handlers::0::path": "x"},
            "'train::handlers::0::path' .* addresses a place in a list",
        ),
        ({"inferer": {"_target_": "my.Map"}}, "inferer: 'my.Map' cannot be imported"),
        (
            {"inferer": {"_target_": "pipeline.inferers.Residual", "prt": "signed"}},
            "inferer: pipeline.inferers.Residual has no argument 'prt'; it has: part",
        ),
        ({"optimizr::lr": 1}, "unknown key 'optimizr::lr' in the command line; did you mean: optimizer"),
        ({"follow::scans": 1}, "unknown key 'follow::scans' in the command line"),
    ],
)
def test_what_the_command_line_may_not_say(override: dict, message: str, tiny_dataset: Path) -> None:
    refused(tiny_dataset, message, **override)


def test_a_module_that_fails_while_it_is_imported_is_named_with_its_cause(tiny_dataset: Path, mine) -> None:
    mine("import a_package_that_is_not_there", "broken_for_a_test.py")
    method = mine("method: mine\nnetwork_def: {_target_: broken_for_a_test.Net}\n")
    refused(
        tiny_dataset,
        "network_def: 'broken_for_a_test.Net' cannot be imported: .*a_package_that_is_not_there",
        method=method,
    )


def test_arguments_inside_arguments_are_looked_at() -> None:
    with pytest.raises(
        PipelineError, match="a::_args_::0: torch.nn.Linear has no argument 'width'; it has: in_features"
    ):
        check_components(
            {"a": {"_target_": "torch.nn.Sequential", "_args_": [{"_target_": "torch.nn.Linear", "width": 1}]}}
        )


def test_presets_name_themselves() -> None:
    from pipeline.bundle_file import load
    from pipeline.catalogue import preset_file

    assert {name: load(preset_file(name))["preset"] for name in available("preset")} == {
        n: n for n in available("preset")
    }
