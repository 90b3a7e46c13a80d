// Ctrl-C and SIGTERM, taken as a wish to stop early, clean up and report what there is.
//
// The signals stay blocked and pending, so no handler and no global is needed: whoever loops asks
// interrupted() now and then. Children started by Process get their default signal mask back.
#pragma once

namespace sluice::bench {

// Call first in main(), before any thread exists: threads inherit the mask.
void block_interrupts();
// True once SIGINT or SIGTERM has arrived. One system call.
bool interrupted();

}  // namespace sluice::bench
