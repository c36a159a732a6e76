# Two commands matter: `make run` and `make test`. Settings are variables: make run HTTPS_PORT=9443 MODEL=models/my.gguf

# The browser's way in, and the plain-HTTP port that redirects to it.
HTTPS_PORT ?= 8443
HTTP_PORT ?= 8080
# 0.0.0.0 opens the ports to other machines.
ADDRESS ?= 127.0.0.1
# A GGUF file or a Hugging Face folder.
MODEL ?= models/starter.gguf
ROLES ?= roles
# Compute threads; empty: as many as cores.
THREADS ?=
# More options of `qwen-all-in-one serve`, as in --queue 16 --start-seconds 5.
OPTIONS ?=
# A certificate and its key (PEM); empty: a self-signed one for localhost.
CERT ?=
KEY ?=
# A built program; empty: build it. Also for deb, soak, leaks and perplexity.
BINARY ?=
# Of soak: how long it goes on, the first of both counts.
REQUESTS ?= 100000
HOURS ?= 4
# Of perplexity: a file with a text a line.
TEXTS ?=
# Sockets, logs, certificate and generated nginx.conf.
RUN_DIR ?= .run

export HTTPS_PORT HTTP_PORT ADDRESS MODEL ROLES THREADS OPTIONS CERT KEY BINARY RUN_DIR REQUESTS HOURS TEXTS

.PHONY: help deps build run test test-unit test-arm test-e2e test-boot bench bench-peers bench-report soak leaks perplexity deb format clean

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1\t/p' Makefile | expand -t 20
	@echo "Settings of run: HTTPS_PORT HTTP_PORT ADDRESS MODEL ROLES THREADS OPTIONS CERT KEY BINARY RUN_DIR (explained in Makefile)"

deps: ## install the Debian packages that are missing
	@packaging/dev/deps.sh run

build: ## build the release program
	@packaging/dev/build.sh

run: ## build and serve on https://localhost:8443 until Ctrl-C
	@packaging/dev/run.sh

test: test-unit test-arm test-e2e ## all three of these

test-unit: ## the Swift tests
	@packaging/dev/test.sh unit

test-arm: ## the SIMD kernels bit for bit, AVX2, AVX-512 and NEON (in an emulator of the Raspberry Pi 4's processor)
	@packaging/dev/test-arm.sh

test-e2e: ## the real program behind the real nginx, with curl, clients and a browser
	@packaging/dev/test.sh e2e

test-boot: ## the package in a minimal Debian that boots with systemd: installed, killed, starved, upgraded (as root; not part of test)
	@packaging/dev/test.sh boot

bench: ## the engine's speed at the size of Qwen1.5-0.5B, beside the machine's limits
	@packaging/bench/bench.sh

bench-peers: ## the same beside llama.cpp, transformers, tokenizers and tiktoken, which it installs into .bench (BENCHMARKS.md)
	@packaging/bench/peers.sh

bench-report: ## BENCHMARKS.md's tables and its plot from what bench-peers measured
	@python3 packaging/bench/peers/report.py

soak: ## mixed traffic for REQUESTS or HOURS; fails if memory grows (docs/OPERATIONS.md)
	@packaging/soak/soak.sh

leaks: ## a short run under LeakSanitizer: fails on memory that nothing points to any more
	@packaging/soak/leaks.sh

perplexity: ## what each weight type costs the starter model, on the texts of TEXTS=<file>, one a line
	@packaging/bench/perplexity.sh

deb: ## the Debian package, into .build/deb; lintian looks at it
	@packaging/deb/build.sh
	@lintian --info --fail-on error --color never .build/deb/*.changes

format: ## format the Swift sources in place
	@swift format --in-place --recursive Sources Tests Package.swift

clean: ## remove everything that was built or written
	@rm -rf .build .venv .run .bench .boot .soak
