# The short names of what people do here; the work is in scripts/.

PREFIX ?= /usr/local
DESTDIR ?=
ONLY ?=
VIDEO ?=
FUZZ_S ?= 600

.PHONY: help demo test test-k8s fuzz bench lame libav images install fmt lint clean

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

demo: ## build, and watch a video become an MP3 (VIDEO=FILE for one of yours)
	@scripts/demo.sh $(if $(VIDEO),"$(VIDEO)")

test: ## everything: lint, unit, contract, fuzz, end to end on both engine sets
	@scripts/test.sh

test-k8s: ## on a real Kubernetes: one of its own (root, Go), or KUBECONFIG's; says why where neither can be
	@tests/k8s/run.sh $(ONLY)

fuzz: ## the fuzzers for longer: FUZZ_S=SECONDS each; ONLY=NAME for one
	@scripts/build.sh fuzz tests/fuzz/all
	@UNREEL_TEST_FUZZ_SECONDS="$(FUZZ_S)" scripts/fuzz.sh build/fuzz/fuzz.xml $(addprefix fuzz_,$(ONLY))

bench: ## measure; ONLY=engine|gateway|pipeline for one group
	@tests/bench/run.sh $(ONLY)

lame: ## build LAME anew for processors with AVX2, a tenth faster; make install installs it too
	@scripts/lame.sh

libav: ## build what the engine needs of libav, static: it starts in no time; make install takes it
	@scripts/libav.sh

images: ## build the images of the services and of the client, by docker or buildah
	@scripts/images.sh

install: ## build the release and install it (PREFIX, DESTDIR)
	@DESTDIR="$(DESTDIR)" scripts/install.sh "$(PREFIX)"

fmt: ## format the C files
	@scripts/fmt.sh

lint: ## the lint tests only
	@scripts/lint.sh

clean: ## remove build/
	@rm -rf build
