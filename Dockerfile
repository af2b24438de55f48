FROM python:3.12-slim

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 VAR_DIR=/var/lib/parley LOG_FORMAT=json

RUN useradd --system --uid 10001 --home-dir /var/lib/parley --create-home --shell /usr/sbin/nologin parley \
    && install --directory --owner=parley --mode=0700 /var/lib/parley/attachments

WORKDIR /opt/parley
COPY requirements.txt .
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt
COPY . .

USER 10001
EXPOSE 8000
# SIGTERM drains; give it longer than DRAIN_S before it is killed.
STOPSIGNAL SIGTERM
CMD ["python", "manage.py", "serve", "--host", "0.0.0.0", "--workers", "2"]
