"""Starts the dashboard's server: what ``servicecircle app`` does."""

from __future__ import annotations

import errno
import ipaddress
import socket

from servicecircle import bundled
from servicecircle.errors import PlannerError

Setting = str | int | bool | list[str]
MAX_UPLOAD_MB = 200
FONTS = (
    '"Source Sans", "Noto Sans CJK SC", "Source Han Sans SC", "Microsoft YaHei", "PingFang SC", '
    "sans-serif"
)
#: the server's settings; the repository's .streamlit/config.toml says the same (tested)
SETTINGS: dict[str, Setting] = {
    "server.fileWatcherType": "none",
    "server.maxUploadSize": MAX_UPLOAD_MB,
    "server.showEmailPrompt": False,
    "browser.gatherUsageStats": False,
    "client.showErrorDetails": "none",
    "client.showErrorLinks": "false",
    "client.toolbarMode": "minimal",
    "client.disableDataExport": True,  # its CSV would hand formulas to spreadsheets; ours does not
    "client.showSidebarNavigation": False,
    "runner.magicEnabled": False,
    "logger.hideWelcomeMessage": True,
    "theme.base": "light",
    "theme.primaryColor": "#00734f",
    "theme.font": FONTS,
}


def launch(port: int = 8501, address: str = "127.0.0.1", open_browser: bool = True) -> None:
    """Serve the dashboard until it is interrupted; raises `PlannerError` where it cannot."""
    _require_free(port, address)
    host = "127.0.0.1" if address in ("0.0.0.0", "::") else address
    shown = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    print(f"服务圈规划：{shown} （按 Ctrl+C 结束 · Ctrl+C to stop）", flush=True)
    from streamlit.web import cli  # noqa: PLC0415 (it takes seconds, and only this needs it)

    asked = {**settings(port, address), "server.headless": not open_browser}
    flags = [flag for key, value in asked.items() for flag in _flags(key, value)]
    cli.main(["run", str(bundled.app()), *flags], prog_name="servicecircle", standalone_mode=False)


def settings(port: int, address: str) -> dict[str, Setting]:
    """All settings of the server; on this machine alone, other names for it are refused."""
    where: dict[str, Setting] = {"server.port": port, "server.address": address}
    if _is_loopback(address):
        where["server.allowedHosts"] = [address, "localhost"]
    return SETTINGS | where


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _require_free(port: int, address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PlannerError(
                    f"端口 {port} 已被占用（也许已经开着一个）。请用 --port 换一个。",
                    f"port {port} is in use (perhaps the page is open already). "
                    "Choose another --port.",
                ) from None
            raise PlannerError(
                f"不能在 {address}:{port} 上提供页面（{error}）。请换一个地址或端口。",
                f"cannot serve on {address}:{port} ({error}). Choose another address or port.",
            ) from error


def _flags(key: str, value: Setting) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [f"--{key}={str(v).lower() if isinstance(v, bool) else v}" for v in values]
