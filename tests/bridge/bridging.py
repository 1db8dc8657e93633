"""Short ways to say what came of a job, and to hold a decision that was made some time ago."""

from amp.learning.rows import Decision
from amp.learning.token import Sealer
from amp.tenancy import Tenant

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
SECRET = "a secret of the tests, long enough for keys"
ACME = Tenant("acme", "test")
API = "/profitstream/v2/api"


async def report_job(client, name, request_id=None, **outcome):
    """A job that carries the requestId, and its outcome."""
    body = {"agenticJobId": name} | ({"amp_request_id": request_id} if request_id else {})
    assert (await client.post(f"{API}/jobs", json=body)).status_code == 201
    told = {"executionStatus": "SUCCESS", **outcome}
    answer = await client.post(f"{API}/jobs/{name}/outcome", json=told)
    assert answer.status_code == 200, answer.text
    return answer


async def sealed(store, *, ago_ms, user="ada", nonce=None):
    """The requestId of a decision that was made so long ago."""
    seconds, micros = await store.ask("TIME")
    now = int(seconds) * 1000 + int(micros) // 1000
    number = nonce or ago_ms
    decision = Decision(number, now - ago_ms, 7, 0, 0, 0, 1, 0)
    iv = number.to_bytes(8, "little") + bytes(4)
    return Sealer(SECRET.encode()).seal(ACME, decision, user, "", iv)


async def session_posterior(client, user):
    """What is believed of each option: of a user, or of everybody (None)."""
    told = (await client.get(f"/v1/profile/{user or 'ada'}/posterior")).json()["dimensions"]
    key = "mean" if user else "populationMean"
    return {each["dimension"]: {one["option"]: one[key] for one in each["options"]} for each in told}
