"""A small S3 server for tests: one bucket in memory, path style and virtual hosts. It computes every signature anew with
botocore and refuses what does not match; and it has bad days, when it is told to."""
import base64
import datetime
import hashlib
import http.server
import re
import threading
import urllib.parse
from xml.sax.saxutils import escape

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

KEY_ID, SECRET, REGION, BUCKET = "AKIDTEST", "a/secret+of=tests", "test-region-1", "bucket-1"
PAGE_MAX = 1000


class Refused(Exception):
    def __init__(self, status, code, message=""):
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


class State:
    def __init__(self, token=""):
        self.lock = threading.Lock()
        self.objects = {}   # name: (bytes, ETag)
        self.uploads = {}   # id: (name, {number: (bytes, ETag)})
        self.requests = []  # (method, path with query)
        self.checked = {"header": 0, "query": 0}
        self.token = token
        self.plan = []      # functions of a handler: True when they have dealt with the request
        self.page_max = PAGE_MAX

    def put(self, name, data):
        self.objects[name] = (data, f'"{hashlib.md5(data).hexdigest()}"')
        return self.objects[name][1]

    def bad_days(self, *plan):
        with self.lock:
            self.plan = list(plan)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle_any(self):
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        state = self.server.state
        self.address = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(self.address.query, keep_blank_values=True))
        with state.lock:
            state.requests.append((self.command, self.path))
            bad = state.plan.pop(0) if state.plan else None
        try:
            if bad is not None and bad(self):
                return
            self.check_signature(state)
            with state.lock:
                self.dispatch(state)
        except Refused as refused:
            self.fail(refused.status, refused.code, refused.message)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

    # --- signatures ---------------------------------------------------------------------------------------------

    def check_signature(self, state):
        url = f"http://{self.headers['Host']}{self.path}"
        credentials = Credentials(KEY_ID, SECRET, state.token or None)
        if "X-Amz-Signature" in self.query:
            given = self.query["X-Amz-Signature"]
            url = re.sub(r"&X-Amz-Signature=[0-9a-f]{64}", "", url)
            request = AWSRequest(method=self.command, url=url)
            request.context["timestamp"] = self.query["X-Amz-Date"]
            auth = S3SigV4QueryAuth(credentials, "s3", REGION, expires=int(self.query["X-Amz-Expires"]))
            token, seconds, kind = self.query.get("X-Amz-Security-Token", ""), int(self.query["X-Amz-Expires"]), "query"
        else:
            match = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})",
                                 self.headers.get("Authorization") or "")
            if match is None:
                raise Refused(403, "AccessDenied", "no signature")
            _, names, given = match.groups()
            if "x-amz-content-sha256" not in names.split(";") or "host" not in names.split(";"):
                raise Refused(403, "AccessDenied", "too little is signed")
            if self.headers["x-amz-content-sha256"] != hashlib.sha256(self.body).hexdigest():
                raise Refused(400, "XAmzContentSHA256Mismatch")
            headers = HTTPHeaders()
            for name in names.split(";"):
                headers[name] = self.headers[name]
            request = AWSRequest(method=self.command, url=url, headers=headers, data=self.body)
            request.context["timestamp"] = self.headers["x-amz-date"]
            auth = S3SigV4Auth(credentials, "s3", REGION)
            token, seconds, kind = self.headers.get("x-amz-security-token", ""), 900, "header"
        made = datetime.datetime.strptime(request.context["timestamp"], "%Y%m%dT%H%M%SZ")
        age = (datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) - made).total_seconds()
        if not -900 < age < seconds:
            raise Refused(403, "RequestTimeTooSkewed")
        wanted = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        if wanted != given:
            raise Refused(403, "SignatureDoesNotMatch", "The request signature we calculated does not match")
        if token != state.token:
            raise Refused(400, "ExpiredToken", "The provided token has expired.")
        with state.lock:
            state.checked[kind] += 1

    # --- what is asked --------------------------------------------------------------------------------------------

    def dispatch(self, state):
        path = urllib.parse.unquote(self.address.path)
        host = self.headers["Host"].split(":")[0]
        if host == f"{BUCKET}.localhost":
            name = path[1:]
        else:
            bucket, _, name = path[1:].partition("/")
            if bucket != BUCKET:
                raise Refused(404, "NoSuchBucket", "The specified bucket does not exist")
        if not name:
            return self.on_bucket(state)
        action = getattr(self, "on_" + self.command.lower())
        return action(state, name)

    def on_bucket(self, state):
        if self.command == "GET" and self.query.get("list-type") == "2":
            return self.list(state)
        if self.command == "POST" and "delete" in self.query:
            wanted = base64.b64encode(hashlib.md5(self.body).digest()).decode()
            if self.headers.get("Content-MD5") != wanted:
                raise Refused(400, "BadDigest")
            for name in re.findall(r"<Key>(.*?)</Key>", self.body.decode(), re.S):
                state.objects.pop(self.unescaped(name), None)
            return self.answer(200, b"<DeleteResult></DeleteResult>")
        raise Refused(405, "MethodNotAllowed")

    @staticmethod
    def unescaped(text):
        for name, c in (("lt", "<"), ("gt", ">"), ("quot", '"'), ("apos", "'"), ("amp", "&")):
            text = text.replace(f"&{name};", c)
        return text

    def list(self, state):
        prefix, delimiter = self.query.get("prefix", ""), self.query.get("delimiter", "")
        after = self.query.get("continuation-token", "")
        limit = min(int(self.query.get("max-keys", PAGE_MAX)), state.page_max)
        entries, folders = [], set()
        names = sorted(n for n in state.objects if n.startswith(prefix) and n > after)
        truncated, last = False, ""
        for name in names:
            rest = name[len(prefix):]
            folder = prefix + rest.split(delimiter)[0] + delimiter if delimiter and delimiter in rest else None
            if folder is not None and (folder in folders or (after and after.startswith(folder))):
                last = name
                continue
            if len(entries) == limit:
                truncated = True
                break
            last = name
            quoted = urllib.parse.quote_plus(folder or name, safe="/")
            if folder is not None:
                folders.add(folder)
                entries.append(f"<CommonPrefixes><Prefix>{quoted}</Prefix></CommonPrefixes>")
            else:
                entries.append(f"<Contents><Key>{quoted}</Key><Size>{len(state.objects[name][0])}</Size></Contents>")
        more = f"<NextContinuationToken>{escape(last)}</NextContinuationToken>" if truncated else ""
        self.answer(200, (f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/'
                          f'2006-03-01/"><Name>{BUCKET}</Name><EncodingType>url</EncodingType><IsTruncated>'
                          f'{str(truncated).lower()}</IsTruncated>{more}{"".join(entries)}</ListBucketResult>').encode())

    def on_get(self, state, name):
        if name not in state.objects:
            raise Refused(404, "NoSuchKey", "The specified key does not exist.")
        data, etag = state.objects[name]
        if self.headers.get("If-Match") not in (None, etag):
            raise Refused(412, "PreconditionFailed")
        headers, status, size = {"ETag": etag}, 200, len(data)
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        if match:
            start, end = int(match[1]), min(int(match[2]), size - 1)
            data, status = data[start:end + 1], 206
            headers["Content-Range"] = f"bytes {start}-{end}/{size}"
        cut = getattr(self, "cut_after", None)
        self.answer(status, data, headers, cut)

    on_head = on_get

    def on_put(self, state, name):
        if "uploadId" in self.query:
            upload = state.uploads.get(self.query["uploadId"])
            if upload is None or upload[0] != name:
                raise Refused(404, "NoSuchUpload")
            etag = f'"{hashlib.md5(self.body).hexdigest()}"'
            upload[1][int(self.query["partNumber"])] = (self.body, etag)
            return self.answer(200, b"", {"ETag": etag})
        self.answer(200, b"", {"ETag": state.put(name, self.body)})

    def on_post(self, state, name):
        if "uploads" in self.query:
            id = hashlib.md5(f"{name}{len(state.requests)}".encode()).hexdigest()
            state.uploads[id] = (name, {})
            return self.answer(200, f"<InitiateMultipartUploadResult><UploadId>{id}</UploadId>"
                                    f"</InitiateMultipartUploadResult>".encode())
        upload = state.uploads.get(self.query.get("uploadId"))
        if upload is None or upload[0] != name:
            raise Refused(404, "NoSuchUpload", "The specified multipart upload does not exist.")
        told = re.findall(r"<PartNumber>(\d+)</PartNumber><ETag>(.*?)</ETag>", self.body.decode())
        parts = [(int(number), self.unescaped(etag)) for number, etag in told]
        if any(upload[1].get(number, (b"", ""))[1] != etag for number, etag in parts):
            raise Refused(400, "InvalidPart")
        if any(len(upload[1][number][0]) < 5 << 20 for number, _ in parts[:-1]):
            raise Refused(400, "EntityTooSmall")
        data = b"".join(upload[1][number][0] for number, _ in parts)
        digest = hashlib.md5(b"".join(hashlib.md5(upload[1][n][0]).digest() for n, _ in parts)).hexdigest()
        state.objects[name] = (data, f'"{digest}-{len(parts)}"')
        del state.uploads[self.query["uploadId"]]
        self.answer(200, b"<CompleteMultipartUploadResult></CompleteMultipartUploadResult>")

    def on_delete(self, state, name):
        if "uploadId" in self.query:
            state.uploads.pop(self.query["uploadId"], None)
        else:
            state.objects.pop(name, None)
        self.answer(204, b"")

    # --- answers --------------------------------------------------------------------------------------------------

    def answer(self, status, body, headers=None, cut_after=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if cut_after is not None and cut_after < len(body):
            self.wfile.write(body[:cut_after])
            self.hang_up()
            return
        self.wfile.write(body)

    def fail(self, status, code, message=""):
        self.answer(status, f"<Error><Code>{code}</Code><Message>{escape(message)}</Message>"
                            f"<StringToSign>{SECRET}</StringToSign></Error>".encode())

    def hang_up(self):
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(2)


# --- bad days: each takes a request ------------------------------------------------------------------------------------

def fine(_):
    return False


def slow_down(handler):
    handler.fail(503, "SlowDown", "Please reduce your request rate.")
    return True


def hang_up(handler):
    handler.hang_up()
    return True


def says(*pieces):
    """Answers with these bytes, whatever is asked."""
    def say(handler):
        handler.wfile.write(b"".join(pieces))
        handler.hang_up()
        return True
    return say


def done_and_hang_up(handler):
    """Does what is asked, and the answer never comes."""
    handler.answer = lambda *_, **__: handler.hang_up()
    return False


def cut_after(count):
    def cut(handler):
        handler.cut_after = count
        return False
    return cut


def replace_before(name, data):
    def replace(handler):
        with handler.server.state.lock:
            handler.server.state.put(name, data)
        return False
    return replace


class BucketServer:
    def __init__(self, token=""):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.state = self.state = State(token)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def environment(self):
        return {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": self.state.token,
                "AWS_REGION": REGION, "AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere"}

    def uri(self, prefix="some/prefix", host="127.0.0.1", style="path"):
        return f"s3://{BUCKET}/{prefix}?endpoint=http://{host}:{self.port}&style={style}"
