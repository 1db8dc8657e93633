"""The systemd unit of the service, hardened: it may write to its data folder and nowhere else."""

from pathlib import Path
from typing import NamedTuple

from amp.store.embedded import STOP_S

ENV_FILE = "/etc/amp/amp.env"
WORKERS_END_S = 30
"""Requests under way have 10 s, and who does not end is killed 5 s later; twice that is enough."""
FILES_MAX = 65536
TEMPORARY = "tmp"
"""In the data folder: the same for the service and for commands beside it; /tmp it may only read."""
_STATE = Path("/var/lib")
_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))


class Place(NamedTuple):
    """Where the service runs."""

    program: Path
    """The command `amp`."""
    prefixes: tuple[Path, ...]
    """Where its Python lies."""
    data: Path
    user: str
    port: int
    drain_s: float
    """How long it says that it is not ready before it ends."""


_UNIT = """\
[Unit]
Description=amp: learns, for every user, which way of helping works
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
User={user}
Group={user}
EnvironmentFile={env_file}
{folder}
WorkingDirectory={data}
ExecStart={program} serve
# Replaces the workers one by one, with the settings of the start. Other settings: systemctl restart amp
ExecReload=/bin/kill -HUP $MAINPID
# SIGTERM goes to the supervisor alone: it lets the workers finish what is under way, and then the store.
KillMode=mixed
KillSignal=SIGTERM
# More than AMP_DRAIN, the requests under way, and what the store has yet to write.
TimeoutStopSec={stop_s}
Restart=always
RestartSec=2
LimitNOFILE={files_max}
UMask=0077

NoNewPrivileges=yes
{capabilities}
ProtectSystem=strict
ProtectHome={homes}
# No PrivateTmp: the embedded store's socket lies in TMPDIR, where `amp keys` and `amp doctor` find it too.
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
LockPersonality=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""


def unit(place: Place) -> str:
    """The text of `amp.service`."""
    return _UNIT.format(
        user=place.user,
        env_file=ENV_FILE,
        folder=_folder(place),
        data=place.data,
        program=place.program,
        stop_s=int(place.drain_s + WORKERS_END_S + STOP_S + 20),
        files_max=FILES_MAX,
        capabilities=_capabilities(place),
        homes=_homes(place),
    )


def _folder(place: Place) -> str:
    """What lies in /var/lib is made by systemd; anything else is there already and may be written to."""
    if place.data.is_relative_to(_STATE) and place.data != _STATE:
        name = place.data.relative_to(_STATE)
        return f"StateDirectory={name} {name}/{TEMPORARY}\nStateDirectoryMode=0700"
    return f"ReadWritePaths={place.data}"


def _capabilities(place: Place) -> str:
    """None, unless the port is one of those that only root may listen on."""
    if 0 < place.port < 1024:
        return "CapabilityBoundingSet=CAP_NET_BIND_SERVICE\nAmbientCapabilities=CAP_NET_BIND_SERVICE"
    return "CapabilityBoundingSet=\nAmbientCapabilities="


def _homes(place: Place) -> str:
    """Home folders are hidden, unless amp lies in one."""
    if any(place.data.is_relative_to(home) for home in _HOMES):
        return "no"
    ours = (place.program, *place.prefixes)
    return "read-only" if any(path.is_relative_to(home) for path in ours for home in _HOMES) else "yes"
