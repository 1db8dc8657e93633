"""A store behind TLS: trusted through a file of the operator's, and what is said of one that is not."""

import asyncio
import json
import shutil
import ssl
import subprocess
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import httpx
import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from running import COMMAND, environment, serving

SECRET = {"AMP_SECRET": "x" * 32}


def named(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def usage(*, signs):
    others = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"),
        False,
    )
    return x509.KeyUsage(
        digital_signature=not signs, key_cert_sign=signs, crl_sign=signs, decipher_only=False, **others
    )


class Authority:
    """A private certificate authority; `file` is what those who trust it are given."""

    def __init__(self, folder, name="amp's tests"):
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = named(name)
        own = self._made(self._name, self._key.public_key(), x509.BasicConstraints(ca=True, path_length=0))
        self.file = folder / "authority.pem"
        self.file.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def context(self):
        """What a server at 127.0.0.1 speaks TLS with."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._made(
            named("store"),
            key.public_key(),
            x509.BasicConstraints(ca=False, path_length=None),
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]),
        )
        file = self._folder / "store.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + made.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _made(self, subject, public, basic, *more):
        own = self._key.public_key()
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.now(UTC) - timedelta(days=1))
            .not_valid_after(datetime.now(UTC) + timedelta(days=1))
            .add_extension(basic, critical=True)
            .add_extension(usage(signs=basic.ca), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(own), critical=False)
        )
        for each in more:
            made = made.add_extension(each, critical=False)
        return made.sign(self._key, hashes.SHA256())


@contextmanager
def ends_tls(context, path):
    """Carries what comes by TLS to a Unix socket; yields its port, and how many connections it carried."""
    loop = asyncio.new_event_loop()
    carried = []

    async def carry(reader, writer):
        carried.append(writer.get_extra_info("cipher"))
        with suppress(OSError):
            there, back = await asyncio.open_unix_connection(path)
            await asyncio.gather(pour(reader, back), pour(there, writer))

    async def pour(reader, writer):
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.transport.abort()

    loop.set_exception_handler(lambda *_: None)  # who does not trust us ends the handshake
    server = loop.run_until_complete(asyncio.start_server(carry, "127.0.0.1", 0, ssl=context))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def end():
        server.close()
        carrying = asyncio.all_tasks() - {asyncio.current_task()}
        for each in carrying:
            each.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)

    try:
        yield server.sockets[0].getsockname()[1], carried
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def secure_port(authority, own_server):
    """Where a store is reached by TLS, and the connections that came there."""
    path = own_server[0].removeprefix("unix://")
    with redis.Redis(unix_socket_path=path) as plain:
        plain.config_set("repl-diskless-sync-delay", 0)  # a backup need not wait for others
    with ends_tls(authority.context(), path) as (port, carried):
        yield port, carried


def test_the_service_works_on_a_store_behind_tls_whose_authority_it_is_given(
    data, secure_port, authority, run, monkeypatch
):
    port, carried = secure_port
    url = f"rediss://127.0.0.1:{port}/0"
    trusting = {**SECRET, "SSL_CERT_FILE": str(authority.file)}
    with serving(data, "--redis", url, **trusting, AMP_RATE_LIMIT="1000", AMP_DRAIN="0s") as (_, announced):
        for name, value in trusting.items():
            monkeypatch.setenv(name, value)
        made = run("keys", "create", "--json", "--redis", url, "--data", data)
        headers = {"Authorization": f"Bearer {json.loads(made.stdout)['key']}"}
        with httpx.Client(base_url=announced["url"], headers=headers, timeout=20, trust_env=False) as http:
            context = http.post("/v1/context", json={"userId": "ada", "task": "x"}).raise_for_status().json()
            assert "degraded" not in context["metadata"]
            report = {"requestId": context["requestId"], "started": True, "completed": True}
            assert http.post("/v1/outcome", json=report).status_code == 200
            assert http.get("/v1/profile/ada").json()["totalInteractions"] == 1
            assert http.get("/readyz").status_code == 200
        looked = run("doctor", "--json", "--redis", url, "--data", data)
        assert '"name":"store","status":"ok"' in looked.stdout.replace(" ", "").replace("\n", "")
        kept = run("backup", data.parent / "kept.amp", "--redis", url, "--data", data)
        assert kept.exit_code == 0, kept.stderr
    assert len(carried) > 3


def refused(data, url, *command, **environ):
    """How the command ends that meets this store."""
    return subprocess.run(
        [*COMMAND, *command, "--data", str(data), "--redis", url],
        env=environment() | SECRET | environ,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("scheme", ["rediss", "rediss+sentinel", "rediss+cluster"])
def test_a_certificate_that_is_not_trusted_is_named_with_what_to_do(data, secure_port, scheme):
    port, carried = secure_port
    name = "/amp" if scheme == "rediss+sentinel" else ""
    ended = refused(data, f"{scheme}://127.0.0.1:{port}{name}", "serve", "--port", "0")
    assert ended.returncode == 3
    assert "its certificate is not trusted here" in ended.stderr
    assert "SSL_CERT_FILE" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not carried, "something was said to a store that is not trusted"


@pytest.mark.parametrize("command", [["doctor"], ["keys", "list"], ["backup", "kept.amp"]])
def test_every_command_says_it(data, secure_port, command):
    port, _ = secure_port
    ended = refused(data, f"rediss://127.0.0.1:{port}/0", *command)
    assert ended.returncode != 0
    said = " ".join((ended.stdout + ended.stderr).split())
    assert "certificate is not trusted here" in said
    assert "SSL_CERT_FILE" in said
    assert "Start it" not in said


@pytest.mark.skipif(
    not shutil.which("openssl"), reason="its folder of authorities is named by hashes of its own"
)
def test_what_the_file_does_not_name_is_not_trusted_though_the_machine_does(
    data, secure_port, authority, tmp_path
):
    command = ["openssl", "x509", "-hash", "-noout", "-in", str(authority.file)]
    name = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / f"{name}.0").write_bytes(authority.file.read_bytes())
    other = tmp_path / "other"
    other.mkdir()
    environ = {"SSL_CERT_DIR": str(tmp_path), "SSL_CERT_FILE": str(Authority(other, "another").file)}
    ended = refused(data, f"rediss://127.0.0.1:{secure_port[0]}/0", "serve", "--port", "0", **environ)
    assert ended.returncode == 3
    assert "its certificate is not trusted here" in ended.stderr


def test_a_certificate_of_another_host_is_named(data, secure_port, authority):
    port, _ = secure_port
    trusting = {"SSL_CERT_FILE": str(authority.file)}
    ended = refused(data, f"rediss://localhost:{port}/0", "serve", "--port", "0", **trusting)
    assert ended.returncode == 3
    assert "its certificate is another host's" in ended.stderr
    assert "'localhost'" in ended.stderr
