#include "net/tls_context.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>
#include <fstream>

#include "tests/unit/net/certificates.h"

namespace sluice::net {
namespace {

void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

// The message of the error that is expected, which must name `key`.
std::string refusal(const Result<std::shared_ptr<TlsContext>>& made, const std::string& key) {
  EXPECT_FALSE(made);
  if (made) return "";
  EXPECT_EQ(made.error().cls(), ErrorClass::kInvalid);
  EXPECT_TRUE(made.error().message().starts_with(key + ": ")) << made.error().message();
  return made.error().message();
}

class TlsContextTest : public ::testing::Test {
 protected:
  Authority authority_;
  TlsFiles files_ = authority_.issue("server", "DNS:localhost");
};

TEST_F(TlsContextTest, EachBadFileIsNamedWithItsKeyAndItsPath) {
  const auto with = [&](auto change) {
    TlsFiles files = files_;
    change(files);
    return TlsContext::for_server("listen", files);
  };
  write(authority_.path("garbage"), "-----BEGIN CERTIFICATE-----\nZZ\n-----END CERTIFICATE-----\n");
  write(authority_.path("empty"), "");
  const std::string cert_key = "listen.tls_cert_file", key_key = "listen.tls_key_file";
  refusal(with([](TlsFiles& files) { files.cert = ""; }), cert_key);
  refusal(with([](TlsFiles& files) { files.key = ""; }), key_key);
  for (const char* name : {"absent", "garbage", "empty", "server.key"}) {
    const std::string path = authority_.path(name);
    const auto made = with([&](TlsFiles& files) { files.cert = path; });
    EXPECT_NE(refusal(made, cert_key).find(path), std::string::npos);
  }
  for (const char* name : {"absent", "garbage", "empty", "server.crt"}) {
    const std::string path = authority_.path(name);
    const auto made = with([&](TlsFiles& files) { files.key = path; });
    EXPECT_NE(refusal(made, key_key).find(path), std::string::npos);
  }
  for (const char* name : {"absent", "garbage", "empty", "server.key"}) {
    const std::string path = authority_.path(name);
    const auto made = with([&](TlsFiles& files) { files.ca = path; });
    EXPECT_NE(refusal(made, "listen.tls_ca_file").find(path), std::string::npos);
  }
}

TEST_F(TlsContextTest, AKeyOfAnotherCertificateIsRefused) {
  const TlsFiles other = authority_.issue("other", "DNS:localhost");
  const auto made = TlsContext::for_server("listen", {files_.cert, other.key, ""});
  EXPECT_NE(refusal(made, "listen.tls_key_file").find("is not the key of"), std::string::npos);
}

TEST_F(TlsContextTest, AFolderIsNotAFile) {
  const std::string folder = authority_.path("");
  refusal(TlsContext::for_server("listen", {folder, files_.key, ""}), "listen.tls_cert_file");
  refusal(TlsContext::for_client("redis", {"", "", folder}), "redis.tls_ca_file");
}

TEST_F(TlsContextTest, AClientNeedsNoFilesButBothOrNoneOfCertificateAndKey) {
  EXPECT_TRUE(TlsContext::for_client("redis", {}));
  EXPECT_TRUE(TlsContext::for_client("redis", {files_.cert, files_.key, ""}));
  refusal(TlsContext::for_client("redis", {files_.cert, "", ""}), "redis.tls_key_file");
  refusal(TlsContext::for_client("redis", {"", files_.key, ""}), "redis.tls_cert_file");
}

TEST_F(TlsContextTest, AReloadThatFailsChangesNothing) {
  auto context = TlsContext::for_server("listen", files_);
  ASSERT_TRUE(context);
  const int64_t end_s = (*context)->certificate_end_s();
  EXPECT_NEAR(static_cast<double>(end_s), static_cast<double>(std::time(nullptr) + 3600), 60);
  ::unlink(files_.key.c_str());
  EXPECT_FALSE((*context)->reload());
  EXPECT_EQ((*context)->certificate_end_s(), end_s);
  authority_.issue("server", "DNS:localhost", 7200);
  EXPECT_TRUE((*context)->reload());
  EXPECT_NEAR(static_cast<double>((*context)->certificate_end_s() - end_s), 3600, 60);
}

TEST_F(TlsContextTest, WithoutACertificateItHasNoEnd) {
  auto context = TlsContext::for_client("redis", {"", "", authority_.path("ca.crt")});
  ASSERT_TRUE(context);
  EXPECT_EQ((*context)->certificate_end_s(), 0);
}

}  // namespace
}  // namespace sluice::net
