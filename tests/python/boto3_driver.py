"""Calls ECS through boto3: one request per line comes in, one answer per line goes out, both JSON.

    {"operation": "DescribeServices", "input": {...}}   calls an operation
    {"waiter": "ServicesStable", "input": {...}}        waits
    {"output": {...}}                                   the answer
    {"fault": {"kind": ..., "message": ...}}            the service answered with an exception
    {"error": "..."}                                    boto3 failed
"""

import json
import sys

import boto3
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError, WaiterError


def answer(client, request):
    """Does what one line asks for."""
    try:
        if "waiter" in request:
            waiter = client.get_waiter(xform_name(request["waiter"]))
            pace = {"Delay": 1, "MaxAttempts": 120}
            waiter.wait(**request["input"], WaiterConfig=pace)
            return {"output": {}}
        output = getattr(client, xform_name(request["operation"]))(**request["input"])
        output.pop("ResponseMetadata", None)
        return {"output": output}
    except ClientError as error:
        kind = error.response["Error"]["Code"]
        modelled = getattr(client.exceptions, kind, None)
        if modelled is not None and not isinstance(error, modelled):
            return {"error": f"{kind} did not arrive as the exception of that name"}
        return {"fault": {"kind": kind, "message": error.response["Error"]["Message"]}}
    except (BotoCoreError, WaiterError) as error:
        return {"error": f"{type(error).__name__}: {error}"}


def main():
    """Answers until there are no more lines."""
    client = boto3.client("ecs")
    for line in sys.stdin:
        print(json.dumps(answer(client, json.loads(line)), default=str), flush=True)


if __name__ == "__main__":
    main()
