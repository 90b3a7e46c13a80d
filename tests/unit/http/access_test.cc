#include "http/access.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

namespace sluice::http {
namespace {

int status(const AccessPolicy& policy, const Credentials& credentials) {
  const auto refusal = check_access(policy, credentials);
  return refusal ? refusal->status : 200;
}

const AccessPolicy kLoopback{"127.0.0.1", true, ""};
const AccessPolicy kLoopbackToken{"127.0.0.1", true, "s3cret"};
const AccessPolicy kPublic{"0.0.0.0", false, ""};
const AccessPolicy kPublicToken{"0.0.0.0", false, "s3cret"};

TEST(Access, LoopbackListenerServesItsOwnNamesOnly) {
  for (const char* host : {"127.0.0.1:9480", "127.0.0.1", "localhost:1", "LOCALHOST", "[::1]:9480",
                           "127.8.8.8:9480"}) {
    EXPECT_EQ(status(kLoopback, {"GET", host}), 200) << host;
  }
  for (const char* host : {"evil.example:9480", "", ":9480", "[::1", "192.168.0.7:9480",
                           "127.0.0.1.evil.example", "localhost.evil.example:9480"}) {
    EXPECT_EQ(status(kLoopback, {"GET", host}), 403) << host;
    EXPECT_EQ(status(kLoopbackToken, {"GET", host}), 403) << host;
  }
}

TEST(Access, PublicListenerServesLiteralsAndWithATokenAnyName) {
  EXPECT_EQ(status(kPublic, {"GET", "192.168.0.7:9480"}), 200);
  EXPECT_EQ(status(kPublic, {"GET", "flusher.example:9480"}), 403);
  EXPECT_EQ(status(kPublicToken, {"GET", "flusher.example:9480"}), 200);
  EXPECT_EQ(status(kPublicToken, {"GET", ""}), 403);
}

TEST(Access, OriginMustBeTheHostItself) {
  EXPECT_EQ(status(kLoopback, {"POST", "localhost:9480", "http://localhost:9480"}), 200);
  EXPECT_EQ(status(kLoopback, {"POST", "localhost:9480", "https://localhost:9480"}), 200);
  EXPECT_EQ(status(kLoopback, {"POST", "localhost:9480", "http://localhost:80"}), 403);
  EXPECT_EQ(status(kLoopback, {"GET", "localhost:9480", "http://evil.example"}), 403);
  EXPECT_EQ(status(kLoopback, {"POST", "localhost:9480", "null"}), 403);
}

TEST(Access, PostNeedsTheTokenOrATokenlessLoopback) {
  const auto post = [](const AccessPolicy& policy, std::string_view authorization) {
    return status(policy, {"POST", "127.0.0.1:9480", "", authorization});
  };
  EXPECT_EQ(post(kLoopback, ""), 200);
  EXPECT_EQ(post(kPublic, ""), 403);
  EXPECT_EQ(post(kLoopbackToken, ""), 401);
  EXPECT_EQ(post(kLoopbackToken, "Bearer s3cret"), 200);
  EXPECT_EQ(post(kLoopbackToken, "bearer s3cret"), 200);
  EXPECT_EQ(post(kLoopbackToken, "Bearer s3cre"), 401);
  EXPECT_EQ(post(kLoopbackToken, "Bearer s3cret2"), 401);
  EXPECT_EQ(post(kLoopbackToken, "Bearer s3creT"), 401);
  EXPECT_EQ(post(kLoopbackToken, "Basic s3cret"), 401);
  EXPECT_EQ(post(kLoopbackToken, "Bearer"), 401);
  EXPECT_EQ(post(kPublicToken, "Bearer s3cret"), 200);
}

TEST(HostPort, SplitsAddressesAndRefusesOthers) {
  EXPECT_EQ(parse_host_port("127.0.0.1:9480")->port, "9480");
  EXPECT_EQ(parse_host_port("[::1]:0")->host, "::1");
  for (const char* bad : {"", "9480", ":9480", "127.0.0.1", "127.0.0.1:", "h:65536", "h:-1",
                          "::1:9480", "[::1:9480", "h:http"}) {
    EXPECT_FALSE(parse_host_port(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace sluice::http
