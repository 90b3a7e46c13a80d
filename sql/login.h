// How a handle of Connector/C logs in to a server: timeouts, TLS, and by which ways it may prove
// that it knows the password. Used by Connection alone, on its thread.
#pragma once

#include "sql/connect_options.h"
#include "sql/failure.h"

extern "C" struct st_mysql;

namespace sluice::sql {

// The longest wait for a lock that fits into the options' timeout.
unsigned lock_wait_of(const ConnectOptions& options);

// Sets a fresh handle's options.
void prepare_login(st_mysql* handle, const ConnectOptions& options, const ServerAddress& server);

// Adds to the message of a refused login what it may come from, where it does not say it itself.
void explain_login(Failure& failure, const ConnectOptions& options, const ServerAddress& server);

}  // namespace sluice::sql
