// How one proxy follows another without a client being refused: the listening sockets were made by
// somebody who outlives both (systemd, a wrapper) and are inherited (net/inherited_sockets.h).
//
//   old: SIGTERM ─► answers what it has, closes, leaves the folder ─► ends
//   new: started at any time ─► waits for the folder ─► recovers ─► sells ─► accepts what waits
#pragma once

#include <signal.h>

#include <vector>

#include "base/file.h"
#include "net/inherited_sockets.h"
#include "proxy/options.h"

namespace sluice::proxy {

// Puts the sockets into the options in the place of what the configuration says: one named "admin"
// is the HTTP listener's, all others are for clients. kInvalid: more than one of a kind.
Status use_inherited(const std::vector<net::InheritedSocket>& sockets, Options& options);

// Whether clients connect to a socket that outlives this process.
bool is_inherited(const Options& options);

// Until nobody holds the journal's folder; `options.journal_lock_wait_us` at most: then opening the
// journal says who has it. False: one of `signals` came meanwhile, and has been taken.
bool wait_for_journal(const Options& options, base::FileSystem& fs, const sigset_t& signals);

}  // namespace sluice::proxy
