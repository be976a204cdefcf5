use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::super::test_random::Random;
use super::*;

/// Threads that lead in turn, as the device's do: what is committed is what was read, in that order, nothing twice.
fn run(threads: usize, jobs: u64, pool_size: usize, seed: u64) -> Vec<u64> {
    let input = Mutex::new(0u64);
    let order = Order::new();
    let pool: Pool<u64> = Pool::new(pool_size);
    let committed = Mutex::new(Vec::new());
    let busy = AtomicBool::new(false);
    thread::scope(|scope| {
        for n in 0..threads {
            let (input, order, pool, committed, busy) = (&input, &order, &pool, &committed, &busy);
            scope.spawn(move || {
                let mut random = Random::new(seed ^ (n as u64) << 32);
                loop {
                    let mut next = lock(input);
                    if *next == jobs {
                        return;
                    }
                    let Some(_) = pool.take(|| 0) else { return };
                    let job = *next;
                    *next += 1;
                    let ticket = order.ticket();
                    if random.below(4) > 0 {
                        drop(next);
                        delay(&mut random);
                    } else {
                        // As at low rates: leads on while it works.
                        delay(&mut random);
                        drop(next);
                    }
                    ticket.finish(job, |job| {
                        assert!(!busy.swap(true, Ordering::AcqRel), "two threads commit at once");
                        lock(committed).push(job);
                        busy.store(false, Ordering::Release);
                        pool.put(job);
                    });
                }
            });
        }
    });
    assert!(lock(&order.state).jobs.is_empty());
    committed.into_inner().expect("no panic")
}

fn delay(random: &mut Random) {
    match random.below(8) {
        0 => thread::sleep(Duration::from_micros(random.below(300) as u64)),
        1..4 => thread::yield_now(),
        _ => (0..random.below(200)).for_each(|_| std::hint::spin_loop()),
    }
}

#[test]
fn whatever_the_delays_jobs_leave_in_the_order_they_came() {
    for (seed, threads) in [(1, 1), (2, 2), (3, 3), (4, 4), (5, 8), (6, 16), (7, 32)] {
        for pool_size in [1, 2, threads, threads * 2] {
            let committed = run(threads, 1500, pool_size, seed);
            assert!(committed.iter().copied().eq(0..1500), "{threads} threads, {pool_size} jobs");
        }
    }
}

#[test]
fn a_job_that_is_early_is_left_to_the_one_before_it() {
    let order = Order::new();
    let (first, second, third) = (order.ticket(), order.ticket(), order.ticket());
    let mut committed: Vec<u32> = Vec::new();
    third.finish(3, |job| committed.push(job));
    second.finish(2, |job| committed.push(job));
    assert!(committed.is_empty());
    first.finish(1, |job| committed.push(job));
    assert_eq!(committed, [1, 2, 3]);
}

#[test]
fn a_thread_that_panics_holds_nobody_up() {
    let order = Order::new();
    let (first, second, third) = (order.ticket(), order.ticket(), order.ticket());
    let lost = catch_unwind(AssertUnwindSafe(|| {
        let _ticket = first;
        panic!("while sealing");
    }));
    assert!(lost.is_err());
    let lost = catch_unwind(AssertUnwindSafe(|| second.finish(2, |_| panic!("while sending"))));
    assert!(lost.is_err());
    let mut committed = Vec::new();
    third.finish(3, |job| committed.push(job));
    assert_eq!(committed, [3]);
}

#[test]
fn no_more_jobs_than_the_limit_are_made_and_closing_ends_the_wait() {
    let made = AtomicUsize::new(0);
    let pool = Pool::new(2);
    let make = || made.fetch_add(1, Ordering::Relaxed);
    let taken = [pool.take(make), pool.take(make)];
    assert_eq!(taken, [Some(0), Some(1)]);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| pool.take(make));
        thread::sleep(Duration::from_millis(20));
        assert!(!waiting.is_finished());
        pool.put(1);
        assert_eq!(waiting.join().expect("no panic"), Some(1));
        let waiting = scope.spawn(|| pool.take(make));
        thread::sleep(Duration::from_millis(20));
        pool.close();
        assert_eq!(waiting.join().expect("no panic"), None);
    });
    assert_eq!(made.load(Ordering::Relaxed), 2);
}

#[test]
fn trimming_frees_what_is_not_in_use() {
    let pool = Pool::new(2);
    let job = pool.take(|| vec![1]).expect("open");
    pool.put(job);
    pool.trim();
    assert_eq!(pool.take(|| vec![2]), Some(vec![2]));
}
