#include "proxy/upstream/io_thread.h"

#include <algorithm>
#include <utility>

namespace sluice::proxy::upstream {

IoThread::IoThread(size_t index)
    : index_(index),
      context_(1),
      guard_(context_.get_executor()),
      poller_(context_, [this] { run_turn_tasks(); }) {}

void IoThread::at_turn_end(TurnTask& task) {
  if (task.queued_) return;
  task.queued_ = true;
  tasks_[static_cast<size_t>(task.phase_)].push_back(&task);
  if (!ending_ && !poller_.in_turn()) end_turn_later();
}

// Asio runs posted work after every handler that the same epoll_wait made ready.
void IoThread::end_turn_later() {
  if (std::exchange(posted_, true)) return;
  boost::asio::post(context_, [this] {
    posted_ = false;
    run_turn_tasks();
  });
}

void IoThread::forget(TurnTask& task) {
  if (!task.queued_) return;
  task.queued_ = false;
  for (auto* tasks : {&tasks_[static_cast<size_t>(task.phase_)], &running_})
    std::replace(tasks->begin(), tasks->end(), &task, static_cast<TurnTask*>(nullptr));
}

void IoThread::run_turn_tasks() {
  ending_ = true;
  for (auto& tasks : tasks_) {
    std::swap(tasks, running_);
    for (size_t i = 0; i < running_.size(); ++i) {
      TurnTask* task = std::exchange(running_[i], nullptr);
      if (task == nullptr) continue;
      task->queued_ = false;
      task->turn_ended();
    }
    running_.clear();
  }
  ending_ = false;
  const bool more =
      std::any_of(tasks_.begin(), tasks_.end(), [](const auto& tasks) { return !tasks.empty(); });
  if (more) end_turn_later();
}

void IoThread::start() {
  thread_ = std::thread([this] { context_.run(); });
}

void IoThread::stop() { context_.stop(); }

void IoThread::join() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace sluice::proxy::upstream
