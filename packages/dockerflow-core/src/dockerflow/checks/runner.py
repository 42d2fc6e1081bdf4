"""Running checks: each on its own, all at the same time, against a clock, once for many callers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from .job import Job
from .outcome import Finding, log_findings, raised
from .results import ChecksResults, build_results
from .run import Run, collect, extend, is_awaitable, join

Outcome = tuple[str, list[Finding]]


def run_jobs(
    jobs: Iterable[Job], silenced_ids: Collection[str], *, inline: bool = False
) -> ChecksResults:
    """Run checks for a sync caller.

    :param silenced_ids: ids of messages that are not counted.
    :param inline: one after another in this thread, without clock and sharing; ``SystemExit`` and
        ``KeyboardInterrupt`` are passed on.
    """
    return build_results(_outcomes(jobs, inline=inline), silenced_ids)


async def run_jobs_async(
    jobs: Iterable[Job], silenced_ids: Collection[str], *, inline: bool = False
) -> ChecksResults:
    """Run checks for an async caller, like :func:`run_jobs`, without blocking its event loop.

    :param inline: one after another in the caller's task; a sync check then blocks the loop.
    """
    return build_results(await _outcomes_async(jobs, inline=inline), silenced_ids)


def _outcomes(jobs: Iterable[Job], *, inline: bool) -> list[Outcome]:
    if inline:
        return [(job.name, _inline(job)) for job in jobs]
    runs = [(job, None if _belongs_to_caller(job) else join(job)) for job in jobs]
    said = [_inline(job) if run is None else None for job, run in runs]  # while the others run
    return [
        (job.name, run.result(job.limit) if run is not None else findings or [])
        for (job, run), findings in zip(runs, said, strict=True)
    ]


async def _outcomes_async(jobs: Iterable[Job], *, inline: bool) -> list[Outcome]:
    if inline:
        return [(job.name, await _inline_async(job)) for job in jobs]
    runs = [(job, None if _belongs_to_caller(job) else join(job)) for job in jobs]
    said = [await _inline_async(job) if run is None else None for job, run in runs]
    return [
        (job.name, await run.result_async(job.limit) if run is not None else findings or [])
        for (job, run), findings in zip(runs, said, strict=True)
    ]


def _belongs_to_caller(job: Job) -> bool:
    return not job.is_async and job.around.inline(job.check)


def _inline(job: Job) -> list[Finding]:
    findings: list[Finding] = []
    awaitable: object = None

    def run() -> None:
        nonlocal awaitable
        with job.around.scope():
            result = job.call()
            if is_awaitable(result):
                awaitable = result
            else:
                extend(findings, result)

    if job.is_async:
        return _alone(job, job.call)
    try:
        job.around.context().run(run)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        findings.append(raised(error))
    if awaitable is not None:
        return findings + _alone(job, lambda: awaitable)
    log_findings(job.name, findings, job.silenced_ids)
    return findings


def _alone(job: Job, call: Callable[[], object]) -> list[Finding]:
    """Run an async check for a sync caller, shared with nobody and against no clock."""
    job.limit = None
    run = Run(job)
    run.start_task(call, job.around.context())
    return run.result(None)


async def _inline_async(job: Job) -> list[Finding]:
    import asyncio

    findings: list[Finding] = []
    task = asyncio.current_task()
    cancelled_before = task.cancelling() if task else 0
    try:
        await collect(
            job.call,
            job.around,
            findings,
            passed_on=(SystemExit, KeyboardInterrupt),
        )
    except asyncio.CancelledError as error:
        if task and task.cancelling() > cancelled_before:
            raise
        findings.append(raised(error))  # the check's own: the caller was not cancelled
    log_findings(job.name, findings, job.silenced_ids)
    return findings
