//! A gRPC client that knows nothing in advance: it asks the server for its schema by reflection
//! (grpc.reflection.v1) and builds every message from that.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use bytes::Buf as _;
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions, ServiceDescriptor,
};
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use serde_json::{Value, json};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};
use tonic_types::StatusExt as _;

use super::{Driver, Waiter};
use crate::eventually::eventually;
use crate::longshore::Longshore;
use crate::wire::Fault;

/// The service with all operations of ECS.
const SERVICE: &str = "longshore.ecs.v1.Ecs";
/// gRPC has no waiters of its own; as long as those of SDKs may take.
const WAIT: Duration = Duration::from_secs(120);

/// A channel and what the server said about itself.
#[derive(Debug)]
pub struct Grpc {
    channel: Channel,
    token: MetadataValue<Ascii>,
    service: ServiceDescriptor,
}

impl Grpc {
    /// For an installation, with a token from `longshore token`.
    pub async fn new(longshore: &Longshore) -> anyhow::Result<Self> {
        let channel = Endpoint::from_shared(longshore.endpoint().to_owned())?
            .timeout(Duration::from_secs(10))
            .connect()
            .await?;
        let token = longshore.run(&["token"])?;
        let token = format!("Bearer {}", token.trim()).parse()?;
        let pool = reflect(channel.clone(), &token).await?;
        let service = pool
            .get_service_by_name(SERVICE)
            .with_context(|| format!("reflection does not show {SERVICE}"))?;
        Ok(Self {
            channel,
            token,
            service,
        })
    }

    async fn unary(&self, operation: &str, input: Value) -> anyhow::Result<DynamicMessage> {
        let method = self
            .service
            .methods()
            .find(|method| method.name() == operation)
            .with_context(|| format!("{SERVICE} has no {operation}"))?;
        let message = DynamicMessage::deserialize(method.input(), input)
            .with_context(|| format!("{operation}: its input is not what the schema says"))?;
        let mut request = Request::new(message);
        request
            .metadata_mut()
            .insert("authorization", self.token.clone());
        let path = format!("/{SERVICE}/{operation}").parse()?;
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        client.ready().await?;
        match client
            .unary(request, path, DynamicCodec(method.output()))
            .await
        {
            Ok(response) => Ok(response.into_inner()),
            Err(status) => Err(failure(&status)),
        }
    }
}

/// The exception's name is the reason of the standard ErrorInfo detail.
fn failure(status: &Status) -> anyhow::Error {
    match status.get_details_error_info() {
        Some(info) => anyhow!(Fault {
            status: 0,
            kind: info.reason,
            message: status.message().to_owned(),
        }),
        None => anyhow!("{:?}: {}", status.code(), status.message()),
    }
}

impl Driver for Grpc {
    async fn call(&self, operation: &str, input: Value) -> anyhow::Result<Value> {
        let output = self.unary(operation, input).await?;
        // As AWS JSON has it: numbers are numbers, what is absent is absent.
        let options = SerializeOptions::new().stringify_64_bit_integers(false);
        let value = output.serialize_with_options(serde_json::value::Serializer, &options)?;
        Ok(value)
    }

    async fn wait(&self, waiter: Waiter, input: Value) -> anyhow::Result<()> {
        eventually(WAIT, waiter.name(), async || {
            let (operation, list) = match waiter {
                Waiter::TasksStopped => ("DescribeTasks", "tasks"),
                _ => ("DescribeServices", "services"),
            };
            let output = self.call(operation, input.clone()).await?;
            let items = output[list].as_array().cloned().unwrap_or_default();
            let reached = |item: &Value| match waiter {
                Waiter::TasksStopped => item["lastStatus"] == "STOPPED",
                Waiter::ServicesInactive => item["status"] == "INACTIVE",
                Waiter::ServicesStable => {
                    let deployments = item["deployments"].as_array().map_or(0, Vec::len);
                    deployments == 1
                        && number(&item["runningCount"]) == number(&item["desiredCount"])
                }
            };
            if !items.is_empty() && items.iter().all(reached) {
                Ok(())
            } else {
                bail!("{}", json!(items))
            }
        })
        .await
    }
}

/// Zero is not sent, so it is not there.
fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

/// Asks for the file that defines the service and then for all it imports.
async fn reflect(channel: Channel, token: &MetadataValue<Ascii>) -> anyhow::Result<DescriptorPool> {
    let mut files: BTreeMap<String, FileDescriptorProto> = BTreeMap::new();
    let mut wanted = VecDeque::from([MessageRequest::FileContainingSymbol(SERVICE.to_owned())]);
    let mut client =
        ServerReflectionClient::with_interceptor(channel, |mut request: Request<()>| {
            request
                .metadata_mut()
                .insert("authorization", token.clone());
            Ok(request)
        })
        .max_decoding_message_size(64 * 1024 * 1024);
    while let Some(message_request) = wanted.pop_front() {
        let request = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(message_request.clone()),
        };
        let mut answers = client
            .server_reflection_info(tokio_stream::once(request))
            .await?
            .into_inner();
        let answer = answers
            .message()
            .await?
            .context("reflection ended without an answer")?;
        for file in files_of(answer).with_context(|| format!("{message_request:?}"))? {
            for import in &file.dependency {
                if !files.contains_key(import) {
                    wanted.push_back(MessageRequest::FileByFilename(import.clone()));
                }
            }
            files.insert(file.name().to_owned(), file);
        }
        wanted.retain(|request| match request {
            MessageRequest::FileByFilename(name) => !files.contains_key(name),
            _ => true,
        });
    }
    let set = FileDescriptorSet {
        file: files.into_values().collect(),
    };
    Ok(DescriptorPool::from_file_descriptor_set(set)?)
}

fn files_of(answer: ServerReflectionResponse) -> anyhow::Result<Vec<FileDescriptorProto>> {
    match answer.message_response {
        Some(MessageResponse::FileDescriptorResponse(found)) => found
            .file_descriptor_proto
            .iter()
            .map(|bytes| Ok(FileDescriptorProto::decode(bytes.as_slice())?))
            .collect(),
        Some(MessageResponse::ErrorResponse(error)) => bail!("{}", error.error_message),
        _ => bail!("the answer is no file"),
    }
}

/// Encodes any message, decodes one of the given type.
#[derive(Debug, Clone)]
struct DynamicCodec(MessageDescriptor);

impl Codec for DynamicCodec {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = DynamicEncoder;
    type Decoder = DynamicDecoder;

    fn encoder(&mut self) -> Self::Encoder {
        DynamicEncoder
    }

    fn decoder(&mut self) -> Self::Decoder {
        DynamicDecoder(self.0.clone())
    }
}

#[derive(Debug)]
struct DynamicEncoder;

impl Encoder for DynamicEncoder {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, item: Self::Item, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(to)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

#[derive(Debug)]
struct DynamicDecoder(MessageDescriptor);

impl Decoder for DynamicDecoder {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        let bytes = from.copy_to_bytes(from.remaining());
        DynamicMessage::decode(self.0.clone(), bytes)
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}
