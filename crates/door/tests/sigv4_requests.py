#!/usr/bin/env python3
"""Writes sigv4_requests.json: requests that botocore signed, for tests/sigv4.rs.

Run it with no arguments from anywhere; it needs botocore and no network. The output does not
depend on when it runs.
"""

import base64
import datetime
import json
import pathlib

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.httpsession
import botocore.session

NOW = datetime.datetime(2026, 3, 14, 15, 9, 26, tzinfo=datetime.timezone.utc)
KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
REGION = "us-east-1"
ENDPOINT = "http://127.0.0.1:7400"

botocore.auth.get_current_datetime = lambda *_, **__: NOW


# Not signed, and different on every machine or in every run.
LEFT_OUT = {"user-agent", "amz-sdk-invocation-id", "amz-sdk-request"}


class Captured(Exception):
    pass


def entry(name, method, url, headers, body):
    headers = [[k, v.decode() if isinstance(v, bytes) else v] for k, v in headers]
    headers = [[k, v] for k, v in headers if k.lower() not in LEFT_OUT]
    if not any(k.lower() == "host" for k, _ in headers):
        headers.append(["Host", url.split("/")[2]])
    body = body.encode() if isinstance(body, str) else body or b""
    return {
        "name": name,
        "method": method,
        "target": "/" + url.split("/", 3)[3],
        "headers": headers,
        "body": base64.b64encode(body).decode(),
    }


def by_client():
    """What the client of botocore sends for real operations."""
    session = botocore.session.Session()
    session.set_credentials(KEY, SECRET)
    requests = []

    def capture(request, **_):
        requests.append(request)
        raise Captured()

    client = session.create_client("ecs", region_name=REGION, endpoint_url=ENDPOINT)
    client.meta.events.register("before-send.ecs", capture)
    container = {
        "name": "web",
        "image": "nginx",
        "memory": 64,
        "environment": [{"name": "GREETING", "value": "grüß dich, 世界 🚢"}],
        "dockerLabels": {"a b": "c\td"},
    }
    calls = [
        ("create_cluster", {}),
        ("create_cluster", {"clusterName": "prod", "tags": [{"key": "ключ", "value": "значение"}]}),
        ("describe_clusters", {"clusters": ["a", "b"], "include": ["TAGS"]}),
        ("list_clusters", {"maxResults": 1, "nextToken": "x+/="}),
        ("delete_cluster", {"cluster": "prod"}),
        ("register_task_definition", {"family": "web", "containerDefinitions": [container]}),
        ("describe_task_definition", {"taskDefinition": "web:1"}),
        ("list_task_definitions", {"sort": "DESC"}),
        ("deregister_task_definition", {"taskDefinition": "web:1"}),
        ("list_task_definition_families", {}),
        ("run_task", {"taskDefinition": "web", "clientToken": "t" * 64, "count": 2}),
        ("start_task", {"taskDefinition": "web", "containerInstances": ["0" * 32]}),
        ("stop_task", {"task": "0" * 32, "reason": "quote \" and \\ backslash"}),
        ("describe_tasks", {"tasks": ["0" * 32]}),
        ("list_tasks", {"desiredStatus": "STOPPED"}),
        ("create_service", {"serviceName": "s", "clientToken": "c", "desiredCount": 0}),
        ("update_service", {"service": "s", "forceNewDeployment": True}),
        ("describe_services", {"services": ["s"]}),
        ("list_services", {}),
        ("delete_service", {"service": "s", "force": True}),
        ("list_container_instances", {"filter": "attribute:ecs.os-type == linux"}),
        ("describe_container_instances", {"containerInstances": ["0" * 32]}),
        ("deregister_container_instance", {"containerInstance": "0" * 32}),
        ("update_container_instances_state", {"containerInstances": ["0" * 32], "status": "DRAINING"}),
        ("tag_resource", {"resourceArn": "arn:aws:ecs:us-east-1:000000000000:cluster/a", "tags": []}),
        ("untag_resource", {"resourceArn": "arn:aws:ecs:us-east-1:000000000000:cluster/a", "tagKeys": ["k"]}),
        ("list_tags_for_resource", {"resourceArn": "arn:aws:ecs:us-east-1:000000000000:cluster/a"}),
    ]
    for method, arguments in calls:
        try:
            getattr(client, method)(**arguments)
        except Captured:
            pass
        request = requests.pop()
        yield entry(method, request.method, request.url, request.headers.items(), request.body)


def by_signer():
    """What the signer makes of headers that the client would not send."""
    credentials = botocore.credentials.Credentials(KEY, SECRET)
    target = ("X-Amz-Target", "AmazonEC2ContainerServiceV20141113.ListClusters")
    bodies = ["", "{}", "{ }", '{"a":"é"}', "\u2028", "x" * 4096]
    headers = [
        [],
        [("Content-Type", "application/x-amz-json-1.1")],
        [("My-Header", "  two  spaces   inside  and around  ")],
        [("My-Header", "a\tb"), ("Another", "")],
        [("My-Header", "ünïcödé ☃")],
        [("My-Header", "a,b, c ,d")],
        [("X-Amz-Something", "1"), ("x-amz-user-agent", "aws-sdk-js/3.0")],
        [("Date", "set by the signer")],
        [("Content-Length", "2"), ("Accept-Encoding", "identity"), ("User-Agent", "not signed")],
        [("X-Amzn-Trace-Id", "Root=1-2-3"), ("Expect", "100-continue")],
        [("Host", "ecs.us-east-1.amazonaws.com")],
        [("Host", "[::1]:7400")],
    ]
    for index, more in enumerate(headers):
        for body in (bodies[index % len(bodies)], bodies[(index + 1) % len(bodies)]):
            request = botocore.awsrequest.AWSRequest(
                "POST", ENDPOINT + "/", dict([target, *more]), body.encode()
            )
            request.context["signing"] = {}
            botocore.auth.SigV4Auth(credentials, "ecs", REGION).add_auth(request)
            yield entry(f"headers {index}", "POST", ENDPOINT + "/", request.headers.items(), body)


def main():
    document = {
        "now": int(NOW.timestamp()),
        "access_key_id": KEY,
        "secret": SECRET,
        "region": REGION,
        "requests": [*by_client(), *by_signer()],
    }
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


main()
