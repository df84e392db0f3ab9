# CloudFront serves viewers over TLS only.
#
# Judges the cache behaviours of aws_cloudfront_distribution and the oldest protocol of its own certificate.
package statehouse.aws_cloudfront_tls

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, "viewers may use plain HTTP; set viewer_protocol_policy to redirect-to-https or https-only") if {
	some change in plan.made.aws_cloudfront_distribution
	some name in ["default_cache_behavior", "ordered_cache_behavior"]
	some behavior in plan.blocks(change, name)
	behavior.viewer_protocol_policy == "allow-all"
}

deny contains plan.denial(change, sprintf("viewers may use %s; set minimum_protocol_version to TLSv1.2_2021", [certificate.minimum_protocol_version])) if {
	some change in plan.made.aws_cloudfront_distribution
	some certificate in plan.blocks(change, "viewer_certificate")
	not certificate.cloudfront_default_certificate == true
	certificate.minimum_protocol_version in {"SSLv3", "TLSv1", "TLSv1_2016", "TLSv1.1_2016"}
}
