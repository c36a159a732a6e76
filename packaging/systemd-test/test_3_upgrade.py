"""The next version, installed under load; then removed and purged."""

from machine import wait_until
from web import CHAT, CLASSIFY, DEFAULTS, Clients, ask


def test_an_upgrade_loses_no_request(machine):
    machine.shell("systemctl enable --now qwen-all-in-one-main@1.socket qwen-all-in-one-ops@1.socket qwen-all-in-one@1.service")
    units = ("qwen-all-in-one.service", "qwen-all-in-one@1.service")
    before = [machine.main_pid(unit) for unit in units]
    machine.shell(f"echo '# a line of the administrator' >>{DEFAULTS}")
    labels = Clients(machine, "/v1/classify", CLASSIFY, count=6)
    streams = Clients(machine, "/v1/chat/completions", CHAT, count=2)
    wait_until(lambda: labels.count() > 20, 60, "clients are answered")
    machine.run("apt-get", "install", "--yes", "--no-install-recommends", "/root/1.deb")
    seen = labels.count()
    wait_until(lambda: labels.count() > seen + 20, 60, "clients are answered by the new version")
    answers = labels.stop() + streams.stop()
    after = [machine.main_pid(unit) for unit in units]
    print(f"\n  {len(answers)} answers, {len([answer for answer in answers if not answer.is_complete])} not complete")
    assert [answer for answer in answers if not answer.is_complete] == []
    assert all(after) and not set(before) & set(after)
    assert machine.run("dpkg-query", "-W", "-f", "${Version}", "qwen-all-in-one").stdout.endswith("+later")
    assert "a line of the administrator" in machine.path(DEFAULTS).read_text()


def test_removes(machine):
    machine.run("apt-get", "remove", "--yes", "qwen-all-in-one")
    assert machine.shell("systemctl list-units --plain --no-legend 'qwen-all-in-one*'") == ""
    assert machine.shell("ls /run/qwen-all-in-one 2>/dev/null || true").split() in ([], ["1"])
    # Its settings stay, as Debian has it; the web server says that there is nothing behind the site.
    assert machine.path(DEFAULTS).exists()
    machine.run("nginx", "-t")
    code, body = ask(machine, "/v1/classify", CLASSIFY)
    assert code == 503 and '"service_unavailable"' in body


def test_purges(machine):
    machine.run("apt-get", "purge", "--yes", "qwen-all-in-one")
    machine.run("nginx", "-t")
    machine.run("systemctl", "restart", "nginx")
    assert machine.left_over() == ["/etc/ssl/qwen-all-in-one"]
