//! What each call means, as Amazon S3 documents it. What is not here is answered with `NotImplemented`.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream;
use s3s::{
    S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result,
    dto::{
        AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
        CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopyPartResult,
        CopySource, CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteObjectInput,
        DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETagCondition,
        GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput,
        HeadObjectOutput, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListObjectsV2Input,
        ListObjectsV2Output, ListPartsInput, ListPartsOutput, MetadataDirective, Part, PutObjectInput,
        PutObjectOutput, Range, StreamingBlob, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput,
        UploadPartOutput,
    },
    s3_error,
};

use super::{
    Flaws,
    body::{Promised, collect},
    bucket::{Bucket, Conditions, Facts, Object, strong},
    pages,
};

#[derive(Debug)]
pub(super) struct Calls {
    bucket: Arc<Bucket>,
    flaws: Flaws,
}

type Answer<T> = S3Result<S3Response<T>>;

impl Calls {
    pub(super) fn new(bucket: Arc<Bucket>, flaws: Flaws) -> Self {
        Self { bucket, flaws }
    }

    fn bucket(&self, name: &str) -> S3Result<&Bucket> {
        if name != self.bucket.name() {
            return Err(s3_error!(NoSuchBucket));
        }
        Ok(&self.bucket)
    }

    fn conditions(
        &self,
        matches: Option<ETagCondition>,
        none_matches: Option<&ETagCondition>,
    ) -> S3Result<Conditions> {
        if none_matches.is_some_and(|condition| !condition.is_any()) {
            return Err(s3_error!(NotImplemented, "If-None-Match takes no entity tag on a write"));
        }
        Ok(Conditions {
            matches: matches.filter(|_| !self.flaws.overwrites_on_match),
            create_only: none_matches.is_some() && !self.flaws.overwrites_on_create,
        })
    }

    /// The object that a copy begins with.
    fn source(&self, source: &CopySource) -> S3Result<(String, Object)> {
        let CopySource::Bucket { bucket, key, .. } = source else {
            return Err(s3_error!(NotImplemented));
        };
        Ok((key.to_string(), self.bucket(bucket)?.find(key)?))
    }
}

#[async_trait]
impl S3 for Calls {
    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> Answer<HeadBucketOutput> {
        self.bucket(&request.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> Answer<PutObjectOutput> {
        let mut input = request.input;
        let bucket = self.bucket(&input.bucket)?;
        let promised = Promised::of_put(&input);
        let facts = Facts {
            content_type: input.content_type,
            disposition: input.content_disposition,
            storage_class: input.storage_class,
            encryption: input.server_side_encryption,
        };
        let object = Object::whole(collect(input.body.take(), &promised).await?, facts);
        let output = PutObjectOutput {
            e_tag: Some(strong(&object.etag)),
            server_side_encryption: object.facts.encryption.clone(),
            ..PutObjectOutput::default()
        };
        bucket.put(&input.key, object, &self.conditions(input.if_match, input.if_none_match.as_ref())?)?;
        Ok(S3Response::new(output))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> Answer<GetObjectOutput> {
        let input = request.input;
        let object = self.bucket(&input.bucket)?.find(&input.key)?;
        admit_read(&object, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let range = input.range.map_or(Ok(0..object.size), |range| range.check(object.size))?;
        if input.range.is_some() && range.is_empty() {
            return Err(S3ErrorCode::InvalidRange.into());
        }
        let pieces = object.slice(range.clone()).into_iter().map(Ok::<_, std::io::Error>);
        Ok(S3Response::new(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            body: Some(StreamingBlob::wrap(stream::iter(pieces))),
            content_length: Some(signed(range.end - range.start)),
            content_range: input.range.map(|_| content_range(&range, object.size)),
            content_type: input.response_content_type.or(object.facts.content_type),
            content_disposition: input.response_content_disposition.or(object.facts.disposition),
            cache_control: input.response_cache_control,
            e_tag: Some(strong(&object.etag)),
            last_modified: Some(object.modified.into()),
            server_side_encryption: object.facts.encryption,
            storage_class: object.facts.storage_class,
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> Answer<HeadObjectOutput> {
        let input = request.input;
        let object = self.bucket(&input.bucket)?.find(&input.key)?;
        admit_read(&object, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let range = input.range.map_or(Ok(0..object.size), |range| range.check(object.size))?;
        if input.range.is_some() && range.is_empty() {
            return Err(S3ErrorCode::InvalidRange.into());
        }
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(signed(range.end - range.start)),
            content_type: object.facts.content_type,
            content_disposition: object.facts.disposition,
            e_tag: Some(strong(&object.etag)),
            last_modified: Some(object.modified.into()),
            server_side_encryption: object.facts.encryption,
            storage_class: object.facts.storage_class,
            ..HeadObjectOutput::default()
        }))
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> Answer<DeleteObjectOutput> {
        let input = request.input;
        self.bucket(&input.bucket)?.delete(&input.key);
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(&self, request: S3Request<DeleteObjectsInput>) -> Answer<DeleteObjectsOutput> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket)?;
        if input.delete.objects.len() > pages::LARGEST {
            return Err(s3_error!(MalformedXML));
        }
        let mut deleted = Vec::new();
        for object in input.delete.objects {
            bucket.delete(&object.key);
            deleted.push(DeletedObject { key: Some(object.key), ..DeletedObject::default() });
        }
        let deleted = (input.delete.quiet != Some(true)).then_some(deleted);
        Ok(S3Response::new(DeleteObjectsOutput { deleted, ..DeleteObjectsOutput::default() }))
    }

    /// Conditions on what is there at the destination are not taken: most servers do not know them.
    async fn copy_object(&self, request: S3Request<CopyObjectInput>) -> Answer<CopyObjectOutput> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket)?;
        let (from, source) = self.source(&input.copy_source)?;
        let matches = input.copy_source_if_match.as_ref().is_none_or(|condition| source.matches(condition));
        let differs =
            input.copy_source_if_none_match.as_ref().is_none_or(|condition| !source.matches(condition));
        if !(matches && differs) {
            return Err(s3_error!(PreconditionFailed));
        }
        let replaces = input
            .metadata_directive
            .as_ref()
            .is_some_and(|directive| directive.as_str() == MetadataDirective::REPLACE);
        if from == input.key && !replaces && input.storage_class.is_none() {
            return Err(s3_error!(InvalidRequest, "The object would be copied to itself without a change"));
        }
        let mut facts = source.facts.clone();
        if replaces {
            (facts.content_type, facts.disposition) = (input.content_type, input.content_disposition);
        }
        facts.storage_class = input.storage_class;
        facts.encryption = input.server_side_encryption;
        let object = source.again(facts);
        let result = CopyObjectResult {
            e_tag: Some(strong(&object.etag)),
            last_modified: Some(object.modified.into()),
            ..CopyObjectResult::default()
        };
        bucket.put(&input.key, object, &Conditions::default())?;
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(result),
            ..CopyObjectOutput::default()
        }))
    }

    async fn list_objects_v2(&self, request: S3Request<ListObjectsV2Input>) -> Answer<ListObjectsV2Output> {
        let bucket = self.bucket(&request.input.bucket)?;
        Ok(S3Response::new(pages::of_objects(bucket, request.input)?))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> Answer<CreateMultipartUploadOutput> {
        let input = request.input;
        let facts = Facts {
            content_type: input.content_type,
            disposition: input.content_disposition,
            storage_class: input.storage_class,
            encryption: input.server_side_encryption,
        };
        let id = self.bucket(&input.bucket)?.begin(&input.key, facts);
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            ..CreateMultipartUploadOutput::default()
        }))
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> Answer<UploadPartOutput> {
        let mut input = request.input;
        let promised = Promised::of_part(&input);
        let body = collect(input.body.take(), &promised).await?;
        let bucket = self.bucket(&input.bucket)?;
        let etag = bucket.add_part(&input.key, &input.upload_id, input.part_number, body)?;
        Ok(S3Response::new(UploadPartOutput { e_tag: Some(strong(&etag)), ..UploadPartOutput::default() }))
    }

    async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> Answer<UploadPartCopyOutput> {
        let input = request.input;
        let (_, source) = self.source(&input.copy_source)?;
        if input.copy_source_if_match.as_ref().is_some_and(|condition| !source.matches(condition)) {
            return Err(s3_error!(PreconditionFailed));
        }
        let range = match &input.copy_source_range {
            Some(text) => Range::parse(text).map_err(|_| s3_error!(InvalidArgument))?.check(source.size)?,
            None => 0..source.size,
        };
        let body = source.slice(range).concat().into();
        let bucket = self.bucket(&input.bucket)?;
        let etag = bucket.add_part(&input.key, &input.upload_id, input.part_number, body)?;
        let result = CopyPartResult { e_tag: Some(strong(&etag)), ..CopyPartResult::default() };
        Ok(S3Response::new(UploadPartCopyOutput {
            copy_part_result: Some(result),
            ..UploadPartCopyOutput::default()
        }))
    }

    async fn list_parts(&self, request: S3Request<ListPartsInput>) -> Answer<ListPartsOutput> {
        let input = request.input;
        let upload = self.bucket(&input.bucket)?.upload(&input.key, &input.upload_id)?;
        let parts = upload.parts.into_iter().map(|(number, part)| Part {
            e_tag: Some(strong(&part.etag)),
            last_modified: Some(upload.begun.into()),
            part_number: Some(number),
            size: Some(signed(part.body.len() as u64)),
            ..Part::default()
        });
        Ok(S3Response::new(ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            is_truncated: Some(false),
            parts: Some(parts.collect()),
            ..ListPartsOutput::default()
        }))
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> Answer<ListMultipartUploadsOutput> {
        let bucket = self.bucket(&request.input.bucket)?;
        if self.flaws.hides_uploads {
            return Err(s3_error!(NotImplemented));
        }
        Ok(S3Response::new(pages::of_uploads(bucket, request.input)?))
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> Answer<CompleteMultipartUploadOutput> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket)?;
        let parts = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let named: Option<Vec<_>> = parts
            .into_iter()
            .map(|part| Some((part.part_number?, part.e_tag.map(|etag| etag.value().to_owned()))))
            .collect();
        let named = named.ok_or_else(|| s3_error!(MalformedXML))?;
        let conditions = self.conditions(input.if_match, input.if_none_match.as_ref())?;
        let object = bucket.complete(&input.key, &input.upload_id, &named, &conditions)?;
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(strong(&object.etag)),
            ..CompleteMultipartUploadOutput::default()
        }))
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> Answer<AbortMultipartUploadOutput> {
        let input = request.input;
        self.bucket(&input.bucket)?.abort(&input.key, &input.upload_id)?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }
}

/// The conditions of a read.
fn admit_read(
    object: &Object,
    matches: Option<&ETagCondition>,
    none_matches: Option<&ETagCondition>,
) -> S3Result<()> {
    if matches.is_some_and(|condition| !object.matches(condition)) {
        return Err(S3ErrorCode::PreconditionFailed.into());
    }
    if none_matches.is_some_and(|condition| object.matches(condition)) {
        // The client keeps its copy under this version.
        let mut unchanged = S3Error::new(S3ErrorCode::NotModified);
        let tag = format!("\"{}\"", object.etag);
        unchanged.set_headers(
            [(hyper::header::ETAG, tag.parse().expect("a tag of digits"))].into_iter().collect(),
        );
        return Err(unchanged);
    }
    Ok(())
}

fn content_range(range: &std::ops::Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end - 1)
}

/// Lengths have a sign in this protocol's types.
pub(super) fn signed(length: u64) -> i64 {
    i64::try_from(length).expect("what is held in memory is shorter")
}
