# Serves an exported model on a CPU: docker build -t taglens . && docker run -p 8000:8000 -v "$PWD/model.onnx:/model.onnx:ro" taglens
# No torch inside: ONNX Runtime and NumPy only. The API key, if any, comes as -e TAGLENS_API_KEY=...
FROM python:3.12-slim-bookworm AS build

WORKDIR /source
COPY pyproject.toml README.md ./
COPY src ./src
RUN python -m venv /taglens && /taglens/bin/pip install --no-cache-dir '.[serve]'

FROM python:3.12-slim-bookworm

RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin taglens
COPY --from=build /taglens /taglens

ENV PATH=/taglens/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["taglens", "serve", "/model.onnx", "--host", "0.0.0.0", "--port", "8000"]
