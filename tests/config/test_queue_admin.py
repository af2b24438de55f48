"""Jobs and workers in the admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob

from alerts import looking
from config import jobs
from tests.support.jobs import note

pytestmark = pytest.mark.django_db

JOBS = "/admin/procrastinate/procrastinatejob/"
WORKERS = "/admin/procrastinate/procrastinateworker/"


def execute(sql: str, *values: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchone() if cursor.description else None


def make_job(status: str = "todo", **options: Any) -> int:
    job_id: int = note.configure(**options).defer(name="wash")
    execute("UPDATE procrastinate_jobs SET status = %s, attempts = 7 WHERE id = %s", status, job_id)
    return job_id


def act(client: Client, action: str, *job_ids: int) -> list[str]:
    response = client.post(JOBS, {"action": action, "_selected_action": job_ids}, follow=True)
    return [str(message) for message in response.context["messages"]]


def status(job_id: int) -> str:
    return str(ProcrastinateJob.objects.get(pk=job_id).status)


def test_jobs_and_workers_are_shown_with_what_they_do(admin_client: Client) -> None:
    job_id = make_job("doing", lock="one")
    [worker] = execute("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id")
    execute("UPDATE procrastinate_jobs SET worker_id = %s", worker)
    execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 minute')")

    listed = admin_client.get(JOBS).text
    assert "tests.support.jobs.note" in listed
    assert "name=&quot;wash&quot;" in listed
    assert "deferred" in admin_client.get(f"{JOBS}{job_id}/change/").text
    workers = admin_client.get(WORKERS).text
    assert "tests.support.jobs.note" in workers
    assert ("alive" in workers, "dead" in workers) == (True, True)
    assert admin_client.get(f"{WORKERS}{worker}/change/").status_code == 200


def test_failed_jobs_run_again_once(admin_client: Client) -> None:
    failed, waiting = make_job("failed", queueing_lock="q"), make_job(queueing_lock="q")

    assert act(admin_client, "retry_selected", failed, waiting) == ["1 job will run again."]
    assert act(admin_client, "retry_selected", failed) == ["0 jobs will run again."]

    job = ProcrastinateJob.objects.get(pk=failed)
    assert (job.status, job.attempts, job.queueing_lock) == ("todo", 0, None)


def test_waiting_jobs_are_cancelled(admin_client: Client) -> None:
    waiting, running = make_job(), make_job("doing")

    assert act(admin_client, "cancel_selected", waiting, running) == ["1 job is cancelled."]

    assert (status(waiting), status(running)) == ("cancelled", "doing")


def test_who_may_only_look_changes_nothing(client: Client) -> None:
    user = User.objects.create_user("carol", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    job_id = make_job("failed")

    act(client, "retry_selected", job_id)

    assert status(job_id) == "failed"


def test_alerts_and_the_queue_agree_on_when_a_worker_is_dead() -> None:
    assert looking.STALE_S == jobs.STALE_S
