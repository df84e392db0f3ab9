//! A state in a bucket of S3.

use serde_json::Value;

use super::{Elsewhere, stays_there};
use crate::support::moto::{moto, script};

/// Makes a bucket, prints the state in it, or puts the next serial of it there.
const BUCKET: &str = r#"
import json, sys, boto3
s3 = boto3.client("s3", endpoint_url=sys.argv[2])
place = {"Bucket": "states", "Key": "far/terraform.tfstate"}
if sys.argv[1] == "make":
    s3.create_bucket(Bucket="states")
else:
    state = json.loads(s3.get_object(**place)["Body"].read())
    if sys.argv[1] == "change":
        state["serial"] += 1
        s3.put_object(Body=json.dumps(state).encode(), **place)
    print(json.dumps(state))
"#;

struct Bucket {
    endpoint: String,
}

impl Bucket {
    fn asked(&self, verb: &str) -> Value {
        serde_json::from_str(&script(BUCKET, &[verb, &self.endpoint])).unwrap()
    }
}

impl Elsewhere for Bucket {
    fn block(&self) -> String {
        let endpoint = &self.endpoint;
        format!(
            "terraform {{\n  backend \"s3\" {{\n    bucket = \"states\"\n    key = \"far/terraform.tfstate\"\n    region = \"us-east-1\"\n    \
             use_path_style = true\n    use_lockfile = true\n    skip_credentials_validation = true\n    skip_requesting_account_id = true\n    \
             skip_metadata_api_check = true\n    skip_region_validation = true\n    endpoints = {{ s3 = \"{endpoint}\" }}\n  }}\n}}\n"
        )
    }

    fn way(&self) -> String {
        self.endpoint.replace("http://", "tcp://")
    }

    fn credentials(&self) -> Vec<(&'static str, String)> {
        let secret = "kept-in-the-environment-alone".to_owned();
        vec![
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_ACCESS_KEY_ID", "test-test".to_owned()),
        ]
    }

    fn shown(&self) -> Value {
        self.asked("show")
    }

    fn change(&self) -> Value {
        self.asked("change")
    }
}

#[test]
fn a_state_in_a_bucket_stays_there_and_is_copied_and_watched() {
    let (_moto, endpoint) = moto();
    script(BUCKET, &["make", &endpoint]);
    stays_there(&Bucket { endpoint });
}
