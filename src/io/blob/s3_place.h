#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/blob/s3_sign.h"

// Where an S3 store is and who may use it, from its URI and from what Amazon's own tools read: the
// environment and the files in ~/.aws.
namespace slipway::blob::s3 {

using Environment = std::function<std::optional<std::string>(const std::string& variable)>;

struct Place {
  std::string bucket, prefix;  // the prefix without slashes at its ends; may be empty
  std::string scheme, host;    // of the endpoint, the bucket's own if `virtual_host`
  std::string region;
  bool virtual_host = false;  // else the bucket is the first segment of every path
};

bool is_uri(std::string_view text);  // "s3://..."

/// "s3://BUCKET/PREFIX?endpoint=https://HOST:PORT&region=R&style=path|virtual". Endpoint and region
/// that it does not say come from AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_REGION,
/// AWS_DEFAULT_REGION, or the profile in the config file. Without an endpoint it is Amazon's, with
/// virtual hosts; with one the style is path. kInvalid says what is wrong.
Result<Place> place_of(std::string_view uri, const Environment& environment);

/// From AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, else from the profile
/// (AWS_PROFILE, "default") in AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials) or AWS_CONFIG_FILE
/// (~/.aws/config). kInvalid says where it has looked.
Result<Credentials> find_credentials(const Environment& environment);

/// A file of sections with "key = value" lines; those below a key that has no value of its own are
/// "key.inner". Later ones win. kInvalid names the line.
using Sections = std::map<std::string, std::map<std::string, std::string>>;
Result<Sections> parse_config(std::string_view text);

}  // namespace slipway::blob::s3
