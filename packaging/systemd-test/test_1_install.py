"""The package on a minimal Debian: installed, asked through nginx, another model by one line, API keys."""

from web import CLASSIFY, DEFAULTS, ask, enable_site, status


def test_installs_and_purges_where_nothing_runs(machine, packages):
    """As in an image that is being built: no systemd, and nothing is started."""
    before = machine.left_over()
    for number, package in enumerate(packages):
        machine.path(f"/root/{number}.deb").write_bytes(package.read_bytes())
    install = machine.chroot("apt-get", "install", "--yes", "--no-install-recommends", "/root/0.deb")
    assert install.returncode == 0, install.stdout + install.stderr
    say = machine.chroot("qwen-all-in-one", "classify", "--model", "/usr/share/qwen-all-in-one/starter.gguf",
                         "--roles", "/etc/qwen-all-in-one/roles", "今天真开心")
    assert say.stdout.startswith("正面\t"), say.stderr
    purge = machine.chroot("apt-get", "purge", "--yes", "--auto-remove", "qwen-all-in-one")
    assert purge.returncode == 0, purge.stdout + purge.stderr
    assert machine.left_over() == before


def test_boots_and_installs(machine):
    """Without a network: apt finds what the package declares among what was downloaded, and needs no more."""
    machine.boot()
    machine.run("apt-get", "install", "--yes", "--no-install-recommends", "/root/0.deb", "nginx")
    units = ["qwen-all-in-one.service", "qwen-all-in-one-main.socket", "qwen-all-in-one-ops.socket", "nginx.service"]
    assert machine.run("systemctl", "is-active", *units).stdout.split() == ["active"] * 4
    assert machine.run("systemctl", "is-enabled", *units).stdout.split() == ["enabled"] * 4
    assert machine.run("systemctl", "is-enabled", "qwen-all-in-one@1.service", check=False).stdout.split() == ["disabled"]
    assert not machine.path("/etc/nginx/sites-enabled/qwen-all-in-one").is_symlink()


def test_answers_through_nginx(machine):
    enable_site(machine)
    code, body = ask(machine, "/v1/classify", CLASSIFY)
    assert code == 200 and '"正面"' in body
    code, body = ask(machine, "/")
    assert code == 200 and "<html" in body
    assert ask(machine, "/readyz")[0] == 200


def test_runs_as_a_user_without_rights(machine):
    pid = machine.main_pid()
    fields = dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status").read().splitlines())
    user = machine.run("id", "-u", "qwen-all-in-one").stdout.strip()
    assert user != "0" and fields["Uid"].split() == [user] * 4
    assert {fields[f"Cap{which}"] for which in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert fields["NoNewPrivs"] == "1" and fields["Seccomp"] == "2"
    assert machine.shell("stat -c '%a %U %G' /etc/qwen-all-in-one").split() == ["750", "root", "qwen-all-in-one"]


def test_completes_in_the_shell(machine):
    script = "source /usr/share/bash-completion/completions/qwen-all-in-one && complete -p qwen-all-in-one"
    assert "qwen-all-in-one" in machine.run("bash", "-c", script).stdout


def test_one_line_changes_the_model(machine):
    before = status(machine)["model"]
    machine.shell(f"""
        qwen-all-in-one synthesize /srv/other.gguf --shape tiny --tokenizer /usr/share/qwen-all-in-one/starter.gguf
        sed -i 's|^MODEL=.*|MODEL=/srv/other.gguf|' {DEFAULTS}
        systemctl restart qwen-all-in-one""")
    assert ask(machine, "/v1/classify", CLASSIFY)[0] == 200
    assert status(machine)["model"] != before


def test_a_reload_is_tried_with_that_model(machine):
    """A model that is not there fails the reload, and the service goes on."""
    machine.run("systemctl", "reload", "qwen-all-in-one")
    machine.shell(f"sed -i 's|^MODEL=.*|MODEL=/srv/nowhere.gguf|' {DEFAULTS}")
    assert machine.run("systemctl", "reload", "qwen-all-in-one", check=False).returncode != 0
    assert ask(machine, "/v1/classify", CLASSIFY)[0] == 200
    machine.shell(f"sed -i 's|^MODEL=.*|MODEL=/usr/share/qwen-all-in-one/starter.gguf|' {DEFAULTS}")
    machine.run("systemctl", "restart", "qwen-all-in-one")


def test_a_role_of_ones_own_comes_with_a_reload(machine):
    role = "/etc/qwen-all-in-one/roles/sentiment.yaml"
    text = machine.path(role).read_text()
    machine.path(role).write_text("name: [\n")
    assert machine.run("systemctl", "reload", "qwen-all-in-one", check=False).returncode != 0
    assert "sentiment.yaml" in machine.run("journalctl", "--unit=qwen-all-in-one", "--lines=20").stdout
    machine.path(role).write_text(text.replace("max_characters: 128", "max_characters: 64"))
    machine.run("systemctl", "reload", "qwen-all-in-one")
    assert ask(machine, "/v1/classify", CLASSIFY)[0] == 200


def test_keys_by_one_line(machine):
    machine.shell(f"""
        qwen-all-in-one keys add --file /etc/qwen-all-in-one/keys alice >/root/key
        sed -i 's|^OPTIONS=.*|OPTIONS=--keys /etc/qwen-all-in-one/keys|' {DEFAULTS}
        systemctl restart qwen-all-in-one""")
    assert ask(machine, "/v1/classify", CLASSIFY)[0] == 401
    machine.shell(f"sed -i 's|^OPTIONS=.*|OPTIONS=|' {DEFAULTS} && systemctl restart qwen-all-in-one")
    assert ask(machine, "/v1/classify", CLASSIFY)[0] == 200
