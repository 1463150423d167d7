// Streets are the lines of a square grid, turned a little from north as those of most cities are.
#include "motion.h"

#include <math.h>
#include <stdlib.h>

#include "random.h"

#define BLOCK_M 110.0f
#define NO_STOP_M (2 * BLOCK_M)
#define GRID_TURN_DEG 24.0  // the grid's rows run so far clockwise of north
#define M_PER_DEGREE 111320.0
#define STEP_S 1.0f
#define DEG (M_PI / 180.0)

struct habits {
  const char *name;
  float cruise_m_s, spread_m_s;  // usual speed, and how much it differs
  float gain_m_s2;               // how fast it speeds up and brakes
  float side_m;                  // from the middle of the street
  float wait_chance, wait_s;     // at a crossing
  float door_chance, door_s;     // somewhere along a street
  float turn_chance;             // to leave the street at a crossing
  uint32_t accuracy_cm;
};

static const struct habits habits[MOTION_KINDS] = {
    [MOTION_WALK] = {"walk", 1.35f, 0.35f, 0.8f, 5.0f, 0.15f, 15, 0.08f, 60, 0.45f, 600},
    [MOTION_BIKE] = {"bike", 4.6f, 1.4f, 0.9f, 2.5f, 0.20f, 18, 0.04f, 75, 0.35f, 450},
    [MOTION_VAN] = {"van", 9.5f, 3.0f, 1.6f, 1.5f, 0.20f, 20, 0.03f, 90, 0.30f, 350},
};

const char *motion_kind_name(enum motion_kind kind) {
  return habits[kind].name;
}

static float unit(struct motion *m) {
  return (float)random_unit(&m->random);
}

struct motion_area motion_area(int32_t latitude_e7, int32_t longitude_e7, double radius_m) {
  double shrink = cos((double)latitude_e7 / 1e7 * DEG);
  return (struct motion_area){
      .latitude_e7 = latitude_e7,
      .longitude_e7 = longitude_e7,
      .radius_m = radius_m,
      .e7_per_m_north = 1e7 / M_PER_DEGREE,
      .e7_per_m_east = 1e7 / (M_PER_DEGREE * (shrink > 0.01 ? shrink : 0.01)),
  };
}

// Chooses how fast to go along the next street, and whether to stop at a door there or at the crossing at its end.
static void plan_street(struct motion *m) {
  const struct habits *h = &habits[m->kind];
  m->cruise_m_s = h->cruise_m_s + h->spread_m_s * (2 * unit(m) - 1);
  bool door = unit(m) < h->door_chance;
  bool light = !door && unit(m) < h->wait_chance;
  m->stop_m = door ? BLOCK_M * (0.2f + 0.6f * unit(m)) : light ? BLOCK_M : NO_STOP_M;
  m->stop_s = (door ? h->door_s : h->wait_s) * (0.3f + 1.4f * unit(m));
}

static const int8_t column_step[] = {0, 1, 0, -1}, row_step[] = {1, 0, -1, 0};

static float blocks_from_centre(const struct motion *m, int heading) {
  return hypotf((float)(m->column + column_step[heading]), (float)(m->row + row_step[heading]));
}

// At a crossing: straight on, right or left; back inwards where the area ends.
static void choose_heading(struct motion *m, const struct motion_area *area) {
  float chance = unit(m), turn = habits[m->kind].turn_chance;
  int quarter = chance < turn / 2 ? 1 : chance < turn ? 3 : 0;
  int heading = (m->heading + quarter) % 4;
  if (blocks_from_centre(m, heading) * BLOCK_M > (float)area->radius_m) {
    for (int i = 0; i < 4; i++) {
      if (blocks_from_centre(m, i) < blocks_from_centre(m, heading)) heading = i;
    }
  }
  m->heading = (uint8_t)heading;
}

void motion_init(struct motion *m, const struct motion_area *area, enum motion_kind kind, uint64_t seed) {
  *m = (struct motion){.random = seed, .kind = (uint8_t)kind};
  int blocks = (int)(area->radius_m / BLOCK_M);
  do {
    m->column = (int16_t)((int)(random_next(&m->random) % (uint64_t)(2 * blocks + 1)) - blocks);
    m->row = (int16_t)((int)(random_next(&m->random) % (uint64_t)(2 * blocks + 1)) - blocks);
  } while (hypot(m->column, m->row) > blocks);
  m->heading = (uint8_t)(random_next(&m->random) % 4);
  m->battery_percent = (uint8_t)(35 + random_next(&m->random) % 66);
  m->side_m = habits[kind].side_m * (0.7f + 0.6f * unit(m));
  choose_heading(m, area);
  plan_street(m);
  m->along_m = BLOCK_M * unit(m);
  if (m->stop_m < m->along_m) m->stop_m = NO_STOP_M;
  m->speed_m_s = m->cruise_m_s;
}

static void enter_street(struct motion *m, const struct motion_area *area) {
  m->column = (int16_t)(m->column + column_step[m->heading]);
  m->row = (int16_t)(m->row + row_step[m->heading]);
  m->along_m -= BLOCK_M;
  uint8_t before = m->heading;
  choose_heading(m, area);
  if (m->heading != before) m->speed_m_s *= 0.5f;
  plan_street(m);
}

// Speeds up towards its usual speed, or brakes so as to stand at stop_m.
static void choose_speed(struct motion *m, float s) {
  float gain = habits[m->kind].gain_m_s2;
  float left_m = m->stop_m - m->along_m;
  float wanted = m->cruise_m_s;
  if (left_m >= 0 && left_m < BLOCK_M) {
    float brake = sqrtf(2 * gain * left_m) + 0.2f;
    if (brake < wanted) wanted = brake;
  }
  float most = m->speed_m_s + gain * s;
  m->speed_m_s = wanted < most ? wanted : most;
}

static void step(struct motion *m, const struct motion_area *area, float s) {
  if (m->halt_s > 0) {
    m->speed_m_s = 0;
    m->halt_s -= s;
    return;
  }
  choose_speed(m, s);
  float before_m = m->along_m;
  m->along_m += m->speed_m_s * s;
  if (before_m < m->stop_m && m->along_m >= m->stop_m) {
    m->along_m = m->stop_m;
    m->halt_s = m->stop_s;
    m->stop_m = NO_STOP_M;
    m->speed_m_s = 0;
  } else if (m->along_m >= BLOCK_M) {
    enter_street(m, area);
  }
}

void motion_advance(struct motion *m, const struct motion_area *area, int64_t us) {
  float left_s = us < 3600000000 ? (float)us / 1e6f : 3600.0f;
  for (; left_s > 0; left_s -= STEP_S) step(m, area, left_s < STEP_S ? left_s : STEP_S);
}

static int32_t wrap_longitude(double e7) {
  if (e7 >= 1.8e9) e7 -= 3.6e9;
  if (e7 < -1.8e9) e7 += 3.6e9;
  return (int32_t)lround(e7);
}

static int32_t clamp_latitude(double e7) {
  return (int32_t)lround(e7 > 9e8 ? 9e8 : e7 < -9e8 ? -9e8 : e7);
}

void motion_position(const struct motion *m, const struct motion_area *area, struct position *out_position) {
  static const double turn_cos = 0.91354545764260087, turn_sin = 0.40673664307580021;  // of GRID_TURN_DEG
  int h = m->heading, right = (h + 1) % 4;
  double along = (double)m->along_m, side = (double)m->side_m;
  double x = m->column * (double)BLOCK_M + column_step[h] * along + column_step[right] * side;
  double y = m->row * (double)BLOCK_M + row_step[h] * along + row_step[right] * side;
  double east_m = x * turn_cos + y * turn_sin, north_m = y * turn_cos - x * turn_sin;
  *out_position = (struct position){
      .latitude_e7 = clamp_latitude(area->latitude_e7 + north_m * area->e7_per_m_north),
      .longitude_e7 = wrap_longitude(area->longitude_e7 + east_m * area->e7_per_m_east),
      .speed_cm_s = (uint32_t)lroundf(m->speed_m_s * 100),
      .heading_cdeg = (uint32_t)((GRID_TURN_DEG + 90.0 * h) * 100),
      .accuracy_cm = habits[m->kind].accuracy_cm,
      .battery_percent = m->battery_percent,
      .has = POSITION_HAS_LATITUDE | POSITION_HAS_LONGITUDE | POSITION_HAS_SPEED | POSITION_HAS_HEADING |
             POSITION_HAS_ACCURACY | POSITION_HAS_BATTERY,
  };
}
