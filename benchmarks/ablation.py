"""What each part of V5 is worth at the lite size, trained and measured here.

    python -m benchmarks.ablation --data DIR --cache DIR --runs DIR --output FILE.json

trains MODELS as benchmarks/trainings.py says, on the same windows, and scores them on the val split by protocol
`frame`, at a threshold chosen on training clips.
"""

import argparse
from collections.abc import Sequence

from benchmarks.paired import by_group, differences, sport, venue
from benchmarks.protocols import PRECISION, SweepingTracker, by_frame
from benchmarks.report import ablation_table
from benchmarks.trainings import V5, choose_threshold, experiment, train
from tracknetv5.data.readers import Clip
from tracknetv5.weights import load_weights

MODELS = ("tracknet_v2_lite", "tracknet_v4_lite", "tracknet_v2_mdd_lite", "tracknet_v2_rstr_lite", V5)


def ablation(training: Sequence[Clip], val: Sequence[Clip], options: argparse.Namespace) -> dict:
    """MODELS trained on the train split and scored on val; V5, the last, is compared with each of the others."""
    trained = {name: train(name, name, options) for name in MODELS}
    results, scored = [], {}
    for name, (weights, stages) in trained.items():
        model, config = load_weights(weights)
        threshold = choose_threshold(model, config, training, options.cache)
        print(f"{name}: scored at {threshold}", flush=True)
        tracker = SweepingTracker(model, config, precision=PRECISION, threshold=threshold)
        scored[name] = [by_frame(tracker, clip) for clip in val]
        results.append(
            {
                "model": name,
                "parameters": sum(each.numel() for each in model.parameters()),
                "sha256": config.sha256,
                "threshold": threshold,
                "training": stages,
                "val": by_group(scored[name], sport, venue),
            }
        )
    for result in results:
        if result["model"] != V5:
            result["v5_less_this"] = differences(scored[V5], scored[result["model"]], sport, venue)
    return {"networks": results}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablation", description=__doc__.splitlines()[0])
    print(ablation_table(experiment(parser, arguments, ablation)))


if __name__ == "__main__":
    main()
