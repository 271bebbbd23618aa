//! What a login pays for its route, and what control's changes cost, by the size of the table.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use tenantsdb_bench::{database, fleet};
use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_proxy::route::entry::Interner;
use tenantsdb_proxy::route::{Route, Routes};

/// Tables to look up in.
const SIZES: [usize; 3] = [10, 1_000, 100_000];
/// Names that are asked for in turn: more than the nearest caches hold the routes of.
const ASKED: usize = 4096;
/// Spreads what is asked for over the table; odd, so that all of it is met.
const STRIDE: usize = 7919;

fn entries(tenants: usize) -> Vec<Arc<Route>> {
    let mut servers = Interner::default();
    let read = |route| Route::read(route, &mut servers).expect("a fleet's routes can be used");
    fleet(tenants).into_iter().map(read).map(Arc::new).collect()
}

fn table(tenants: usize) -> Routes {
    let routes = Routes::default();
    routes.replace_all(entries(tenants));
    routes
}

fn lookup(c: &mut Criterion) {
    let mut group = c.benchmark_group("route_lookup");
    for size in SIZES {
        let routes = table(size);
        let known: Vec<_> = (0..ASKED).map(|n| database(n * STRIDE % size)).collect();
        let unknown: Vec<_> = (0..ASKED).map(|n| database(size + n)).collect();
        for (kind, names) in [("known", &known), ("unknown", &unknown)] {
            let mut names = names.iter().cycle();
            group.bench_function(BenchmarkId::new(kind, size), |b| {
                b.iter(|| {
                    let name = names.next().map_or("", String::as_str);
                    black_box(routes.get(Engine::Postgres, black_box(name)))
                });
            });
        }
    }
    group.finish();
}

/// The same lookups while another thread changes routes as fast as it can: readers do not wait.
fn lookup_under_change(c: &mut Criterion) {
    let size = 100_000;
    let routes = table(size);
    let changed = entries(ASKED);
    let known: Vec<_> = (0..ASKED).map(|n| database(n * STRIDE % size)).collect();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for route in changed.iter().cycle() {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                routes.put(Arc::clone(route));
            }
        });
        let mut names = known.iter().cycle();
        c.bench_function("route_lookup_under_change/100000", |b| {
            b.iter(|| {
                let name = names.next().map_or("", String::as_str);
                black_box(routes.get(Engine::Postgres, black_box(name)))
            });
        });
        done.store(true, Ordering::Relaxed);
    });
}

fn change(c: &mut Criterion) {
    let mut group = c.benchmark_group("route_change");
    for size in SIZES {
        let routes = table(size);
        let changed = entries(size.min(ASKED));
        let mut changed = changed.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.iter(|| changed.next().map(|route| routes.put(Arc::clone(route))));
        });
    }
    group.finish();
}

criterion_group!(benches, lookup, lookup_under_change, change);
criterion_main!(benches);
