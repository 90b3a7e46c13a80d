// Certificates for tests, made in memory and written as PEM files: an authority and what it signs.
#pragma once

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include <cstdio>
#include <memory>
#include <string>

#include "net/tls_context.h"
#include "tests/unit/temp_folder.h"

namespace sluice::net {

using KeyPtr = std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)>;
using CertificatePtr = std::unique_ptr<X509, void (*)(X509*)>;

class Authority {
 public:
  Authority() : key_(new_key()), certificate_(nullptr, X509_free) {
    certificate_ = sign(key_.get(), "authority", "", 3600);
    write_certificate("ca.crt", certificate_.get());
  }

  std::string path(const std::string& name) const { return folder_ / name; }

  // Writes NAME.crt and NAME.key. `san` as in "DNS:localhost,IP:127.0.0.1".
  TlsFiles issue(const std::string& name, const std::string& san, long valid_s = 3600) {
    const KeyPtr key = new_key();
    const CertificatePtr made = sign(key.get(), name, san, valid_s);
    write_certificate(name + ".crt", made.get());
    FILE* file = std::fopen(path(name + ".key").c_str(), "w");
    EXPECT_EQ(PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr), 1);
    std::fclose(file);
    return {path(name + ".crt"), path(name + ".key"), ""};
  }

 private:
  static KeyPtr new_key() { return {EVP_EC_gen("P-256"), EVP_PKEY_free}; }

  // san "": the authority itself.
  CertificatePtr sign(EVP_PKEY* key, const std::string& name, const std::string& san,
                      long valid_s) {
    CertificatePtr made(X509_new(), X509_free);
    X509_set_version(made.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), ++serial_);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), -7200);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), valid_s);
    X509_set_pubkey(made.get(), key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    const X509* issuer = certificate_ ? certificate_.get() : made.get();
    X509_set_issuer_name(made.get(), X509_get_subject_name(issuer));
    X509_EXTENSION* extension =
        san.empty()
            ? X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE")
            : X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, san.c_str());
    EXPECT_EQ(X509_add_ext(made.get(), extension, -1), 1);
    X509_EXTENSION_free(extension);
    EXPECT_GT(X509_sign(made.get(), key_.get(), EVP_sha256()), 0);
    return made;
  }

  void write_certificate(const std::string& name, X509* certificate) const {
    FILE* file = std::fopen(path(name).c_str(), "w");
    EXPECT_EQ(PEM_write_X509(file, certificate), 1);
    std::fclose(file);
  }

  const test::TempFolder folder_;
  const KeyPtr key_;
  CertificatePtr certificate_;
  long serial_ = 0;
};

}  // namespace sluice::net
