"""What a series is for, whoever runs it: its labels without those that name one run of many.

A deployment replaces pods, a scheduler starts a pod for each job, and what they report goes on under other names.
Series of one role are siblings: where one falls silent and a new one appears about then, nothing is missing.
"""

from aiops.metrics.series import Labels

RUN_LABELS = (  # the first that a series carries is its name among its siblings
    "pod", "instance", "host", "hostname", "node", "replica", "container_id", "pod_ip", "uid", "id", "replicaset",
    "pod_template_hash", "version", "image",
)  # fmt: skip
JOB_LABELS = ("pod", "container_id", "uid", "id")  # what is named so lives as long as its work takes
MACHINE_LABELS = ("instance", "host", "hostname", "node")


def role_of(labels: Labels, entity: tuple[str, str] | None) -> int:
    """A number that siblings share; 0 for a series that can have none: none of its labels names a run, or nothing else
    but a machine is named, and one machine is not the successor of another."""
    rest = tuple(pair for pair in labels if pair[0] not in RUN_LABELS)
    is_bare = all(name == "__name__" for name, _ in rest) and entity is not None and entity[0] in MACHINE_LABELS
    return 0 if len(rest) == len(labels) or is_bare else hash(rest) or 1


def run_of(labels: Labels, entity: tuple[str, str] | None) -> tuple[str, str] | None:
    """The label that tells a series from its siblings within its entity, with its value."""
    mapping = dict(labels)
    return next(
        ((name, mapping[name]) for name in RUN_LABELS if name in mapping and (name, mapping[name]) != entity), None
    )


def is_of_job(labels: Labels) -> bool:
    """Whether the run that its labels name may be that of a job."""
    return any(name in JOB_LABELS for name, _ in labels)
