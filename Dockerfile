# CycleLens in a container: docs/deploy.md tells how to open it to others, docs/docker.md how to build and run it.
#   docker build -t cyclelens .
#   docker run --rm -p 127.0.0.1:8501:8501 -v cyclelens:/state -e CYCLELENS_TOKEN cyclelens
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
# cpu or cuda: what the image promises. The build fails if torch was built for less.
ARG DEVICE=cpu
# Where torch comes from; empty is pip's own index, whose Linux build carries CUDA and runs on CPUs as well.
ARG TORCH_INDEX=
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
RUN python -m venv /opt/cyclelens
ENV PATH=/opt/cyclelens/bin:/usr/local/bin:/usr/bin:/bin
WORKDIR /build
COPY requirements.txt requirements.lock ./
RUN pip install --no-deps --require-hashes -r requirements.lock
RUN pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$(grep '^torch==' requirements.txt)"
COPY pyproject.toml setup.py README.md LICENSE ./
COPY pca_core ./pca_core
COPY app ./app
COPY assets ./assets
RUN pip install --no-deps --no-build-isolation . && rm -rf build
RUN python -c "import sys, torch; sys.exit('DEVICE=cuda needs a torch built with CUDA: leave TORCH_INDEX empty, or give an index that has one.' if sys.argv[1] == 'cuda' and torch.version.cuda is None else 0)" "$DEVICE"

FROM python:${PYTHON} AS app
# Nothing beyond the base is needed: scripts/check_image.py looks for libraries that are missing.
RUN useradd --create-home --uid 1000 cyclelens && install -d -o cyclelens -g cyclelens /state
COPY --from=build /opt/cyclelens /opt/cyclelens
# Loops that numba compiles belong to the processor, so they lie beside the state and not in the image.
ENV PATH=/opt/cyclelens/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    CYCLELENS_STATE=/state \
    NUMBA_CACHE_DIR=/state/cache/numba \
    MPLCONFIGDIR=/state/cache/matplotlib
USER cyclelens
WORKDIR /state
VOLUME /state
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
ENTRYPOINT ["cyclelens"]
# Inside a container every address is the container's. --public demands CYCLELENS_TOKEN and refuses to start without it.
CMD ["app", "--headless", "--port", "8501", "--address", "0.0.0.0", "--public"]
