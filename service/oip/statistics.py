"""What a model has done, as Triton's statistics extension tells it."""

from export.bundle import Manifest
from service.oip.schemas import Duration, ModelStatistics
from service.statistics import Statistics

NS = 1_000_000_000
NONE: Duration = {"count": 0, "ns": 0}


def tell(manifest: Manifest, told: Statistics) -> ModelStatistics:
    """Of one model; what is queued and computed counts for answered requests alone."""

    def stage(name: str) -> Duration:
        return _duration(told.succeeded, told.stages_s[name])

    return {
        "name": manifest.name,
        "version": manifest.version,
        "last_inference": told.last_ms,
        "inference_count": told.inputs,
        "execution_count": told.runs.total(),
        "inference_stats": {
            "success": _duration(told.succeeded, told.succeeded_s),
            "fail": _duration(told.failed, told.failed_s),
            "queue": stage("queue"),
            "compute_input": stage("preprocess"),
            "compute_infer": stage("model"),
            "compute_output": stage("decode"),
            "cache_hit": NONE,
            "cache_miss": NONE,
        },
        "batch_stats": [
            {
                "batch_size": inputs,
                "compute_input": NONE,  # padding is part of the run
                "compute_infer": _duration(told.runs[inputs], told.runs_s[inputs]),
                "compute_output": NONE,
            }
            for inputs in sorted(told.runs)
        ],
    }


def _duration(count: int, seconds: float) -> Duration:
    return {"count": count, "ns": int(NS * seconds)}
